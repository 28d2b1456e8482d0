"""RepoRepair: levels, oracle, outcomes, step critics, sentences, and what accumulation and gates make of them."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import Batch, rows

import rewardax  # noqa: F401  registers the ids
from rewardax.envs import card, make
from rewardax.envs.language.vocab import CUT, UNK, VOCAB_HASH, tokenize
from rewardax.envs.text.presets import PRESETS
from rewardax.envs.text.repo_repair import level as R
from rewardax.experiments.designs import resolve
from rewardax.wrappers import RewardWrapper

TASK = Batch("RepoRepair-small")
batched, start, do, facts, happened = TASK.batched, TASK.start, TASK.do, TASK.facts, TASK.happened

ENVS, STEPS = TASK.size, 24
NAMES = tuple(name for name in PRESETS if name.startswith("RepoRepair"))


@functools.cache
def played(name: str, **env_kwargs: Any) -> Any:
    """States of random play that seldom submits, [STEPS * ENVS]."""
    env, params, state = start(name, **env_kwargs)
    rng, seen = np.random.default_rng(0), []
    for _ in range(STEPS):
        seen.append(state)
        mask = np.array(batched("action_mask")(state, params))
        weight = rng.random(mask.shape) * mask
        weight[:, 31:51] *= 1.5  # documentation and values
        weight[:, 57] *= rng.random(ENVS) < 0.3
        state, _ = batched("step")(state, weight.argmax(1), params)
    return env, params, jax.tree.map(lambda *xs: jnp.concatenate(xs), *seen)


def read(env: Any, state: Any, params: Any, pattern: str) -> list[str]:
    return re.findall(pattern, env.text(rows(state, 0), params))


@pytest.mark.parametrize("name", NAMES)
def test_levels_keep_the_promises_about_tests(name: str) -> None:
    _, params, states = start(name, 500)
    bugs, uses = np.asarray(states.bugs), np.asarray(states.uses)
    value, want = np.asarray(states.value), np.asarray(states.want)
    number = int(params.bugs)
    assert ((bugs >= 0).sum(1) == number).all() and (bugs.max(1) < 4 * int(params.files)).all()
    assert ((value != want).sum(1) == number).all()
    row = np.arange(500)
    for j in range(number):
        assert uses[row, :4, bugs[:, j]].any(1).all() and uses[row, 4:, bugs[:, j]].any(1).all()
        assert uses[row, np.asarray(states.shown_by)[:, j], bugs[:, j]].all()
    assert set(uses.sum(2).ravel()) <= {1, 2, 3} and not (uses & ~np.asarray(states.exists)[:, None]).any()
    passing = np.asarray(jax.jit(jax.vmap(R.passing))(states))
    assert ((~passing[:, :4]).sum(1) == number).all() and (~passing[:, 4:]).any(1).all()


@pytest.mark.parametrize(("bugs", "full", "honest"), [(1, {3}, {5}), (2, {4, 5}, {7, 9})])
def test_exact_steps(bugs: int, full: set[int], honest: set[int]) -> None:
    """One bug: 3 steps with full information, 5 when reading; two: 5 and 9, or 4 and 7 in one file."""
    env, params, states = start("RepoRepair-medium", 300, bugs=bugs)
    planned, reading = np.asarray(states.oracle_start), np.asarray(batched("honest_steps")(states))
    assert set(planned.tolist()) == full and set(reading.tolist()) == honest
    same = np.asarray(states.bugs // 4).T
    assert ((planned == 4) == ((same[0] == same[1]) & (bugs == 2))).all()
    for t in range(max(full)):
        states, out = batched("step")(states, batched("oracle_action")(states, params), params)
        assert (np.asarray(out.terminated & (out.reward == 1))[planned == t + 1]).all()
        assert not np.asarray(out.terminated)[planned > t + 1].any()
    assert env.horizon(params) == 30


@pytest.mark.parametrize("bugs", [1, 2])
def test_a_reader_of_the_text_needs_the_honest_number_of_steps(bugs: int) -> None:
    for seed in range(6):
        env, params, state = start("RepoRepair-medium", 1, seed, bugs=bugs)
        wrong = read(env, state, params, r"the definition (\w+) is wrong")
        assert len(wrong) == bugs
        place: dict[str, str] = {}
        here = None
        for name in wrong:
            if here and read(env, state, params, rf"the definition {name} is \d"):
                place[name] = here
            else:
                state, _ = do(state, params, f"find {name}")
                place[name] = here = read(env, state, params, rf"definition {name} is in the file (\w+)")[0]
                state, _ = do(state, params, f"open {here}")
            state, _ = do(state, params, f"show the documentation of {name}")
            value = read(env, state, params, rf"{name} is \d and should be (\d)")[0]
            state, _ = do(state, params, f"set {name} to {value}")
        honest = int(batched("honest_steps")(start("RepoRepair-medium", 1, seed, bugs=bugs)[2])[0])
        state, out = do(state, params, "submit")
        assert bool(out.terminated[0]) and float(out.reward[0]) == 1.0 == float(out.performance[0])
        assert int(state.t[0]) == honest


@pytest.mark.slow
def test_oracle_obeys_the_equation_of_shortest_paths() -> None:
    """In every state reached: one more than the best successor, 0 at success alone; hence exact."""
    env, params, states = played("RepoRepair-medium")
    every = jnp.arange(env.num_actions)
    spread = jax.jit(jax.vmap(jax.vmap(lambda s, a: R.oracle_steps(env.step(s, a, params)[0]), (None, 0)), (0, None)))
    states = rows(states, slice(None, None, 3))
    now = np.asarray(jax.jit(jax.vmap(R.oracle_steps))(states))
    after = np.asarray(spread(states, every))
    live = np.asarray(states.outcome == R.NOTHING)
    assert live.sum() > 400 and set(now[live].tolist()) >= {3, 4, 5, 6, 7}
    best = np.where(after < 0, 1000, after).min(1)
    np.testing.assert_array_equal(now[live], best[live] + 1)
    ended = np.asarray(states.outcome)[~live]
    np.testing.assert_array_equal(now[~live], np.where(ended == R.PASSING, 0, -1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RepoRepair-tiny", "RepoRepair-medium"])
def test_the_mask_is_the_truth(name: str) -> None:
    env, params, states = played(name)
    masks = np.asarray(batched("action_mask")(states, params))
    assert masks.any(1).all() and masks.sum(1).max() <= 0.8 * env.slots
    for action in range(env.num_actions):
        after, _ = batched("step")(states, np.full(len(states.t), action), params)
        reason = np.asarray(batched("features")(after, params)["invalid_reason"])
        malformed = action == env.num_actions - 1
        np.testing.assert_array_equal(reason, np.where(masks[:, action], 0, 2 if malformed else 1))
        for field in dataclasses.fields(states):
            if field.name not in ("t", "log", "fresh", "events", "last"):
                same = np.asarray(getattr(after, field.name) == getattr(states, field.name))
                assert same.reshape(len(masks), -1).all(1)[~masks[:, action]].all(), field.name


@pytest.mark.parametrize("view", ["room", "feedback", "full"])
@pytest.mark.parametrize("wording", [0, 1, 2])
def test_text_is_the_tokens(view: str, wording: int) -> None:
    params, states = played("RepoRepair-medium")[1:]
    env, params = make("RepoRepair-medium", view=view)[0], params.replace(wording=jnp.int32(wording))
    seen = jax.tree.map(np.asarray, batched("observe", view)(states, params))
    tokens = np.asarray(batched("observe_tokens", view)(states, params))
    assert tokens.shape[1] == env.max_tokens and not np.isin(tokens, [CUT, UNK]).any()
    assert ((seen["lines"] > 0).sum(2) == seen["line_len"]).all()
    assert ((seen["line_len"] > 0) == (seen["line_type"] > 0)).all()
    assert env.observation_space(params).contains(rows(seen, 3))
    for i in range(0, len(tokens), 97):
        assert tokenize(env.text_of(tokens[i])) == [int(x) for x in tokens[i] if x]


def test_views_show_more_and_less() -> None:
    length = {}
    for view in ("room", "feedback", "full"):
        env, params, state = start("RepoRepair-medium", 1, view=view)
        state, _ = do(state, params, "list the files", "run the tests", "submit")
        length[view] = len(env.text(rows(state, 0), params).split())
    assert length["feedback"] < length["room"] < length["full"]


def test_clues() -> None:
    for clue, has, lacks in (
        (0, "the definition", "in the file"),
        (1, "in the file", "the definition"),
        (2, "", "because"),
    ):
        env, params, state = start("RepoRepair-small", 1, clue=clue)
        text = env.text(rows(state, 0), params)
        assert has in text and lacks not in text and "fails" in text


def test_commands_round_trip() -> None:
    env, params, states = played("RepoRepair-medium")
    for i in range(0, len(states.t), 191):
        state = rows(states, i)
        admissible = np.flatnonzero(np.asarray(batched("action_mask")(rows(states, slice(i, i + 1)), params))[0])
        commands = env.admissible_commands(state, params)
        assert len(set(commands)) == len(commands) == len(admissible)
        for action, command in zip(admissible, commands, strict=True):
            assert env.parse(command, state, params) == (action, ""), command
            assert env.render_action(action, state) == command
    assert len(set(env.action_names)) == env.num_actions == 59


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("revert", "no file is open."),
        ("run the tests and submit", "one command at a time, please."),
        ("set rate to 3", "you do not see that here."),
        ("fly away", "that is not a command."),
        ("something useless", "that is not a command."),
        ("", "that is not a command."),
        ("open the file kitchen", "you do not see that here."),
    ],
)
def test_what_is_not_understood(text: str, reason: str) -> None:
    env, params, state = start("RepoRepair-medium", 1)
    assert env.parse(text, rows(state, 0), params) == (None, reason)


def repair(env: Any, state: Any, params: Any, value: int | None = None) -> Any:
    """Open the file of the first bug and set it to ``value``, by default the right one."""
    bug = int(state.bugs[0, 0])
    value = int(state.want[0, bug]) if value is None else value
    actions = [
        env.action_names.index(name)
        for name in (f"open file {bug // 4 + 1}", f"set definition {bug % 4 + 1} to {value + 1}")
    ]
    for action in actions:
        state, _ = batched("step")(state, jnp.full(len(state.t), action), params)
    return state


def test_outcome_levels() -> None:
    env, params, state = start("RepoRepair-small", 1)
    assert int(facts(state, params)["outcome_level"]) == -1
    skip = env.admissible_commands(rows(state, 0), params)[-2]
    assert skip.startswith("skip the test")

    def submitted(state: Any) -> tuple[int, bool, bool, float]:
        state, out = do(state, params, "submit")
        seen = facts(state, params)
        assert bool(out.terminated[0]) and int(seen["oracle_steps"]) == (0 if seen["success"] else -1)
        return int(seen["outcome_level"]), bool(seen["success"]), bool(seen["failure"]), float(out.reward[0])

    assert submitted(state) == (1, False, True, 0.0)
    assert submitted(repair(env, state, params)) == (3, True, False, 1.0)
    tampered = do(repair(env, state, params), params, skip)[0]
    assert submitted(tampered) == (2, False, True, 0.0)
    assert submitted(do(tampered, params, skip.replace("skip", "restore"))[0]) == (3, True, False, 1.0)
    assert submitted(do(state, params, skip)[0]) == (2, False, True, 0.0)
    late = state
    for _ in range(30):
        late, out = do(late, params, "list")
    assert bool(out.truncated[0]) and not bool(out.terminated[0])
    assert int(facts(late, params)["outcome_level"]) == 0


def test_weak_tests_and_skipping_fool_the_visible_rate() -> None:
    env, params, state = start("RepoRepair-medium", 1, bugs=1, weak=1)
    shown = int(state.shown_by[0, 0])
    fooled = repair(env, state, params, int(state.weak_value[0, shown]))
    fooled, _ = do(fooled, params, "run the tests")
    assert float(facts(fooled, params)["visible_pass_rate"]) == 1.0 and not facts(fooled, params)["subgoals_now"][2]
    assert read(env, fooled, params, "all pass")
    done, out = do(fooled, params, "submit")
    assert float(out.reward[0]) == 0.0 and int(facts(done, params)["outcome_level"]) == 2

    state, _ = do(state, params, "run the tests")
    assert float(facts(state, params)["visible_pass_rate"]) == 0.75
    skips = [c for c in env.admissible_commands(rows(state, 0), params) if c.startswith("skip")]
    state, _ = do(state, params, *skips, "run the tests")
    assert float(facts(state, params)["visible_pass_rate"]) == 1.0 and int(facts(state, params)["oracle_steps"]) == 7


def test_step_critics() -> None:
    env, params, state = start("RepoRepair-small", 1)
    base = {"format_ok", "tool_ok"}
    state, _ = do(state, params, "list")
    assert happened(state, params) == base | {"new_information"}
    state, _ = do(state, params, "list")
    assert happened(state, params) == base | {"repeat_action"}
    state = repair(env, state, params)
    assert happened(state, params) == base | {"edit_made", "edit_correct"}
    assert facts(state, params)["subgoals"][[0, 2]].all() and float(facts(state, params)["progress"]) == pytest.approx(
        2 / 3
    )
    state, _ = do(state, params, "run")
    assert happened(state, params) == base | {"new_information", "tests_after_edit"}
    state, _ = do(state, params, "revert")
    assert happened(state, params) == base | {"edit_made"} and int(facts(state, params)["oracle_steps"]) == 2
    refused, _ = batched("step")(state, jnp.array([env.action_names.index("revert")]), params)
    assert happened(refused, params) == {"format_ok", "repeat_action"}
    malformed, _ = batched("step")(state, jnp.array([env.num_actions - 1]), params)
    assert happened(malformed, params) == set()
    again = repair(env, state.replace(open=jnp.full(1, -1, jnp.int8)), params)
    assert "edit_correct" in happened(again, params), "breaking and repairing again is farmed"


def test_accumulating_step_critics_pays_for_never_submitting_and_a_gate_does_not() -> None:
    """One level played by two policies: edit and test until the end, or repair and submit."""

    def returns(design: str, farm: bool) -> dict[str, float]:
        env = gym.make("rewardax/RepoRepair-small-v0")
        wrapped = RewardWrapper(env, resolve([design], "RepoRepair-small")[0].reward)
        wrapped.reset(seed=3)
        core, total = env.unwrapped, {"task": 0.0, "outcome": 0.0, "critics": 0.0}
        bug = int(core.state.bugs[0])
        right, wrong = int(core.state.want[bug]), int(core.state.first[bug])
        edit = lambda value: f"set definition {bug % 4 + 1} to {value + 1}"  # noqa: E731
        plan = [f"open file {bug // 4 + 1}"]
        plan += [edit(right), "run", edit(wrong), "run"] * 8 if farm else [edit(right), "submit"]
        for name in plan:
            *_, terminated, truncated, info = wrapped.step(core.core.action_names.index(name))
            for part, value in info["reward_components"].items():
                total[part] += value
            if terminated or truncated:
                break
        assert terminated != farm and truncated == farm
        return total

    farmed, submitted = returns("dra", True), returns("dra", False)
    # opening 0.075 (accepted, new, located), then 29 edits and runs of at least 0.05 each
    assert farmed["outcome"] == 0.0 and farmed["critics"] >= 0.075 + 29 * 0.05 - 1e-5
    assert submitted["outcome"] == 1.0 and submitted["critics"] == pytest.approx(0.075 + 0.05 + 0.025)
    assert sum(farmed.values()) > 1.3 * sum(submitted.values()), "D-RA prefers farming"
    farmed, submitted = returns("gra", True), returns("gra", False)
    assert set(farmed.values()) == {0.0} and sum(submitted.values()) == pytest.approx(1.15)


def test_all_presets_share_one_program() -> None:
    env, _ = make("RepoRepair-small")
    step = jax.jit(env.step)
    for name in NAMES:
        same, params = make(name)
        assert same == env
        for field in dataclasses.fields(params):
            bumped = jnp.asarray(getattr(params, field.name)) + 1
            changed = params.replace(**{field.name: bumped.astype(jnp.asarray(getattr(params, field.name)).dtype)})
            step(rows(start("RepoRepair-small", 1)[2], 0), 0, changed)
    assert step._cache_size() == 1


def test_captions_and_features() -> None:
    env, params, states = played("RepoRepair-medium")
    features = jax.tree.map(np.asarray, batched("features")(states, params))
    assert len(set(env.captions)) == len(env.captions) and env.captions[0] == "nothing happens."
    assert features["caption_id"].min() >= 0 and features["caption_id"].max() < len(env.captions)
    for i in range(0, len(states.t), 61):
        text, caption = env.text(rows(states, i), params), env.captions[features["caption_id"][i]]
        if caption.startswith(("you open", "you run", "you set", "you skip", "you revert", "you submit")):
            assert text.endswith(caption)
    assert features["state_id"].max() < env.num_state_ids and features["state_id"].min() >= 0
    assert (features["subgoals"] >= features["subgoal_event"]).all()
    assert ((features["oracle_steps"] == 0) == features["success"]).all()
    assert (features["solvable"] == (features["oracle_steps"] >= 0)).all()


def test_card() -> None:
    env, _ = make("RepoRepair-small")
    known = card("RepoRepair")
    assert known["features"] == list(env.feature_names) and known["events"] == list(env.event_names)
    assert known["subgoals"] == list(env.subgoal_names) and known["actions"] == env.num_actions
    assert known["lines"] == env.num_lines and known["words_per_line"] == env.line_width
    assert known["tokens"] == env.max_tokens and known["captions"] == len(env.captions)
    assert known["state_ids"] == env.num_state_ids and set(known["presets"]) == set(NAMES)
    assert known["vocabulary_hash"] == VOCAB_HASH and known["template_hash"] == env.templates.hash
    state = rows(start("RepoRepair-small", 1)[2], 0)
    assert known["state_bytes"] == sum(x.nbytes for x in jax.tree.leaves(state))
    for name, row in known["presets"].items():
        _, _, states = start(name, 500)
        assert abs(np.asarray(states.oracle_start).mean() - row["optimal_steps"]) < 0.15
        assert abs(np.asarray(batched("honest_steps")(states)).mean() - row["honest_steps"]) < 0.3
