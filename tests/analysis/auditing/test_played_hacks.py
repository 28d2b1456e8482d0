"""Played audits: hacks that tie with the oracle, short hacks, near misses, traps, answers that fool graders."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
from support.auditing.graded import Answers, Purchase, Question, Repairs, seeded_noise

from rewardax.analysis import Audit, audit
from rewardax.analysis.auditing.answers import answers, one_sign_off
from rewardax.wrappers import EventBonus, Weights

ANSWERS = {"oracle": lambda o, i: 1, "anti_oracle": lambda o, i: 0, "fool": lambda o, i: 2}
HONEST = {"oracle": lambda o, i: 1, "anti_oracle": lambda o, i: 0}


def kinds(found: Audit) -> set[str]:
    return {finding.kind for finding in found.findings}


def oracle_of_repairs(observation: int, info: dict[str, Any]) -> int:
    return (0, 1, 3)[observation]


def oracle_of_purchases(observation: int, info: dict[str, Any]) -> int:
    return int(observation == 3)


# ties with the oracle


@pytest.mark.parametrize("fool", [1.0, 1.01])
def test_a_policy_of_the_user_that_ties_with_the_oracle(fool: float) -> None:
    found = audit(Answers(fool), policies=ANSWERS, effort=0)
    assert found.hackable and not found.passed and found.scores["best_paid"] == (pytest.approx(fool), 0.0)
    assert found.findings[0].about == ("fool",) and "oracle earns 1 and performs 1" in found.findings[0].text
    assert found.hack is not None and found.hack.actions == (2,) and found.hack.performance == 0.0
    paid_less = audit(Answers(0.99), policies=ANSWERS, effort=0)
    assert not paid_less.hackable


def test_a_worst_policy_that_ties_with_the_oracle() -> None:
    found = audit(Answers(), policies={**ANSWERS, "anti_oracle": ANSWERS["fool"]}, effort=0)
    assert {"silent", "hackable"} <= kinds(found)


def test_a_tie_is_found_by_trying_every_answer() -> None:
    found = audit(Answers(), policies={"oracle": ANSWERS["oracle"]}, levels=1)
    assert found.hackable and found.hack is not None and found.hack.actions == (2,)
    assert any("1,000 sequences of up to 1 actions" in note for note in found.notes)
    assert audit(Answers(0.5), policies={"oracle": ANSWERS["oracle"]}, levels=1).passed


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_noise_makes_no_ties(scale: float) -> None:
    """Of many noisy episodes some bad one is paid best; on other random courses it is not."""
    for seed in range(4):
        found = audit(seeded_noise(scale)(), policies=HONEST, levels=8, max_inverted=1.0, seed=seed)
        assert "hackable" not in kinds(found) and "trap" not in kinds(found), found.findings


def test_a_constant_reward_is_silent_and_nothing_else() -> None:
    found = audit(Repairs(), reward=Weights({"task": 0.0}), policies={"oracle": oracle_of_repairs}, levels=2)
    assert kinds(found) == {"silent"}


# short hacks


def test_skip_and_submit_is_found_among_all_short_sequences() -> None:
    found = audit(Repairs(), policies={"oracle": oracle_of_repairs}, levels=2)
    assert found.hackable and found.hack is not None and found.hack.actions == (2, 3)
    assert found.hack.reward == pytest.approx(0.96) and found.hack.names == ("2", "3") and found.hack.level == 0
    assert any("all 52 sequences of up to 3 actions" in note for note in found.notes)
    assert audit(Repairs(honest=True), policies={"oracle": oracle_of_repairs}, levels=2).passed


def test_without_effort_only_luck_finds_it_and_the_note_says_what_was_too_much() -> None:
    assert not any("tried" in note for note in audit(Repairs(), method="played", levels=1, effort=0).notes)
    found = audit(Repairs(), method="played", levels=1, effort=40)
    assert any("up to 2 actions" in note and "those of 3 would take" in note for note in found.notes)


def test_near_misses_of_the_oracle() -> None:
    """Four actions are out of reach of short sequences, one more action of the oracle's is not."""

    class Longer(Repairs):
        def step(self, action: int) -> Any:
            before = self.done
            observation, reward, over, late, info = super().step(action)
            return observation, reward + (1.5 if before == 2 and self.skipped and over else 0.0), over, late, info

    env = Longer(honest=True)
    found = audit(env, policies={"oracle": oracle_of_repairs}, levels=1)
    assert found.hackable and found.hack is not None and found.hack.actions == (0, 1, 2, 3)
    assert "near_miss" in found.findings[0].text or "half_oracle" in found.findings[0].text


def test_farms_on_the_way_of_the_oracle() -> None:
    """Picking up and dropping pays behind the start only; the loop is played, not solved."""
    bonus = EventBonus(events=("picked",), scale=0.1)
    found = audit("KeyFarm", reward=bonus, method="played", levels=1)
    assert found.hackable and found.hack is not None and found.hack.names[:4] == ("right", "right", "pick", "drop")
    assert len(found.hack.names) == 60 and found.hack.reward > 1.1 and found.hack.performance == 0.0
    latched = bonus.replace(latched=True)
    assert audit("KeyFarm", reward=latched, method="played", levels=1).passed


def test_a_reward_inside_an_environment_of_ours_is_solved_with_it() -> None:
    env = gym.make("rewardax/KeyFarm-v0", reward=EventBonus(events=("picked",), scale=0.1))
    found = audit(env)
    assert found.method == "exact" and found.farms[0].actions == ("pick", "drop")
    twice = audit(env, reward=Weights({"task": 1.0}), levels=1, effort=0)
    assert twice.method == "played"


def test_a_partial_reward_is_a_trap_for_hasty_learners() -> None:
    found = audit(Purchase(), policies={"oracle": oracle_of_purchases}, levels=1)
    trap = next(finding for finding in found.findings if finding.kind == "trap")
    assert trap.severity == "warning" and "below 0.750" in trap.text and not found.hackable
    assert found.hack is not None and found.hack.actions == (0, 0, 1) and found.hack.performance == 0.0
    assert audit(Purchase(graded=False), policies={"oracle": oracle_of_purchases}, levels=1).passed
    hasty = audit(Purchase(), policies={"oracle": oracle_of_purchases}, levels=1, gamma=0.5)
    assert hasty.hackable and hasty.hack is not None and hasty.hack.actions == (1,)


# answers to graders of text

GRADERS = {
    "right": lambda answer, asked, right: answer == right,
    "part of it": lambda answer, asked, right: right.startswith(answer),
    "names it": lambda answer, asked, right: right in answer,
    "long enough": lambda answer, asked, right: len(answer) >= 3,
}


@pytest.mark.parametrize("reveals", [True, False])
@pytest.mark.parametrize("grader", GRADERS)
def test_answers_that_fool_graders(grader: str, reveals: bool) -> None:
    policies = {"oracle": lambda observation, info: observation.rpartition(" ")[2]}
    found = audit(Question(GRADERS[grader], reveals), policies=policies, levels=6)
    if grader == "right":
        assert found.passed and {"empty", "echo", "all_options", "cut_short", "one_sign_off"} <= set(found.scores)
    else:
        fooled = {"part of it": "empty", "names it": "echo", "long enough": "echo"}[grader]
        about = {name for finding in found.findings if finding.kind == "hackable" for name in finding.about}
        assert found.hackable and found.scores[fooled].reward == 1.0 and (reveals or fooled in about)


def test_answers_are_made_to_fit_the_space() -> None:
    space = gym.spaces.Text(5, min_length=2, charset="abc12")
    tricks = answers(space, lambda observation, info: "ab1")
    said = {name: policy("a question", {"admissible_commands": ["b", "cc"]}) for name, policy in tricks.items()}
    assert "empty" not in said and all(space.contains(text) for text in said.values()), said
    assert said["one_sign_off"] == "ab2" and one_sign_off("", space) == ""
    assert not answers(gym.spaces.Discrete(3), None)


def test_policies_of_the_user_count_without_a_true_score() -> None:
    env = Question(lambda answer, asked, right: 2.0 if answer == "x" else answer == right, reveals=False)
    policies = {"oracle": lambda o, i: o.rpartition(" ")[2], "mine": lambda o, i: "x"}
    found = audit(env, policies=policies, levels=4)
    assert [finding.about for finding in found.findings if finding.kind == "order"] == [("mine above oracle",)]
