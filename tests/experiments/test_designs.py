"""Naming reward designs: built-in ones on every family, files, Python, and what is refused."""

from __future__ import annotations

import json

import pytest

from rewardax.envs.registry import PRESETS
from rewardax.experiments.designs import BUILT_IN, Design, available, facts, resolve
from rewardax.wrappers import EventBonus, Potential, from_config, to_config

pytestmark = pytest.mark.quick

ONE_OF_EACH_FAMILY = list({name.partition("-")[0]: name for name in PRESETS}.values())
MINE = '''
from rewardax.wrappers import EventBonus, RewardTransform

class MyReward(RewardTransform):
    """Pays for nothing in particular."""

    amount: float = 0.5

    def update(self, rewards, state, transition):
        return rewards.add("mine", self.amount * transition.valid), state

ready = EventBonus(scale=0.5)

def make():
    return MyReward(amount=2.0)
'''


@pytest.fixture
def my_reward(tmp_path):
    path = tmp_path / f"my_reward_{tmp_path.name.replace('-', '_')}.py"
    path.write_text(MINE)
    return path


@pytest.mark.parametrize("env", ONE_OF_EACH_FAMILY)
def test_built_in_designs_fit_every_family(env):
    for design in resolve(BUILT_IN, env):
        assert design.summary.endswith("."), design.name
        assert json.loads(json.dumps(design.source)) == design.source
        if design.name == "sparse":
            assert design.reward is None
        else:
            assert to_config(from_config(design.source["reward"])) == to_config(design.reward)
        assert (design.judge is not None) == (design.name == "judged")


def test_available_designs_are_those_whose_features_a_task_offers():
    found = available("KeyFarm")
    assert found[: len(BUILT_IN)] == list(BUILT_IN) and "action_advice" in found and "information_gain" not in found


def test_numbers_of_the_task_are_filled_in():
    (bonus,) = resolve(["naive_bonus"], "KeyFarm")
    assert bonus.reward.events == (0,) and bonus.reward.scale == 0.1 and not bonus.reward.latched
    (judged,) = resolve(["judged"], "rewardax/KeyFarm-v0")
    assert judged.reward.num_captions == 6


def test_a_number_the_task_lacks_is_refused():
    reward = {"type": "EventBonus", "events": [{"$env": "event:teleported"}]}
    with pytest.raises(ValueError, match=r"'mine' needs the number 'event:teleported'.*event:picked"):
        resolve([("mine", reward)], "KeyFarm")


def test_settings_of_the_agent_are_filled_in():
    from rewardax.agents import PPOConfig

    reward = {"type": "Potential", "gamma": {"$agent": "gamma"}}
    assert resolve([("mine", reward)], "KeyFarm")[0].reward.gamma == PPOConfig().gamma
    assert resolve([("mine", reward)], "KeyFarm", agent=PPOConfig(gamma=0.9))[0].reward.gamma == 0.9
    with pytest.raises(ValueError, match=r"needs the agent's setting 'gama'; there are .*gamma"):
        resolve([("mine", {"type": "Potential", "gamma": {"$agent": "gama"}})], "KeyFarm")


def test_facts_name_positions():
    from rewardax.envs import make

    found = facts(*make("KeyFarm"))
    assert found["subgoal:at_goal"] == 2 and found["all_subgoals"] == [0, 1, 2] and found["num_actions"] == 4


def test_forms_a_design_can_take(tmp_path):
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(to_config(Potential(gamma=0.5))))
    toml = tmp_path / "mine.toml"
    toml.write_text('summary = "Mine."\n[reward]\ntype = "EventBonus"\nevents = [{"$env" = "event:unlocked"}]\n')
    ready = Design("ready", reward=Potential())
    found = resolve(
        ["sparse", str(bare), toml, EventBonus(), ("renamed", EventBonus()), ready, ("again", None)],
        "KeyFarm",
    )
    assert [d.name for d in found] == ["sparse", "bare", "mine", "EventBonus", "renamed", "ready", "again"]
    assert found[1].reward.gamma == 0.5 and found[2].reward.events == (2,) and found[2].summary == "Mine."
    assert found[5] is ready and found[6].reward is None


def test_a_reward_of_ones_own_in_a_python_file(my_reward):
    by_class, ready, made = (resolve([f"{my_reward}:{name}"], "KeyFarm")[0] for name in ("MyReward", "ready", "make"))
    assert by_class.name == "MyReward" and by_class.reward.amount == 0.5
    assert by_class.summary == "Pays for nothing in particular."
    assert ready.reward.scale == 0.5 and made.reward.amount == 2.0
    before = by_class.source["sha256"]
    my_reward.write_text(MINE.replace("self.amount", "3 * self.amount"))
    assert resolve([f"{my_reward}:MyReward"], "KeyFarm")[0].source["sha256"] != before


def test_a_lambda_can_run_but_has_no_json_form():
    (design,) = resolve([("mine", Potential(phi=lambda observation, features: features["progress"]))], "KeyFarm")
    assert design.source is None


@pytest.mark.parametrize(
    ("designs", "message"),
    [
        ([], "no design given; built-in designs: sparse"),
        (["potentiel"], r"no design 'potentiel'; did you mean 'potential'\?.*judged"),
        (["nowhere.json"], "cannot read the design file 'nowhere.json': No such file"),
        (["nowhere.py:X"], "no file 'nowhere.py'"),
        (["sparse", "sparse"], "two designs are called 'sparse'"),
        ([3], "a design is a name, a file, a transform or a pair"),
        ([("x", 3)], "a design is a name, a file, a transform or a pair"),
        (
            [EventBonus(feature="smell")],
            "needs feature 'smell'; the task 'KeyFarm' offers",
        ),
        ([("mine", {"type": "Potentiel"})], "Potential"),
    ],
)
def test_mistakes_are_named(designs, message):
    with pytest.raises(ValueError, match=message):
        resolve(designs, "KeyFarm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "does not parse"),
        ("[1]", "must hold an object with the keys name, summary, reward, judge"),
        ('{"rewrad": null}', "unknown key 'rewrad'; a design has name, summary, reward, judge"),
    ],
)
def test_damaged_design_files_are_named(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        resolve([path], "KeyFarm")


def test_a_python_file_without_that_reward_lists_what_it_holds(my_reward):
    with pytest.raises(ValueError, match=r"'Yours' in .* is not a reward transform; .*MyReward"):
        resolve([f"{my_reward}:Yours"], "KeyFarm")


def test_unknown_tasks_are_refused_with_a_suggestion():
    with pytest.raises(ValueError, match="KeyFarm"):
        resolve(["sparse"], "KeyFram")


def test_foreign_tasks_take_designs_that_need_no_numbers():
    assert resolve(["sparse", ("mine", EventBonus())], "CartPole-v1")[1].reward is not None
    with pytest.raises(ValueError, match="none \\(only tasks of ours do\\)"):
        resolve(["judged"], "CartPole-v1")
