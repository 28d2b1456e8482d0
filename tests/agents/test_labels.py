"""Labels of a judge reach every judged part of a reward, wherever it stands, or the reward is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.agents import PPOConfig, train
from rewardax.agents.runs.labels import JudgeDesk
from rewardax.envs import make
from rewardax.wrappers import (
    Delay,
    EpisodicCount,
    Freeze,
    Judged,
    JudgedSubgoals,
    Minimum,
    Product,
    RewardTransform,
    Sum,
    UniformRedistribution,
    Weights,
    chain,
)
from rewardax.wrappers.contract.examples import rollout
from rewardax.wrappers.core import Rewards, State, Transition, replay
from rewardax.wrappers.judges import Query, ScriptedJudge, Verdict

CAPTIONS = ("nothing", "you take the key", "you open the door")
JUDGED = Judged(num_captions=3)
COUNT = EpisodicCount(num_keys=64)
DATA = rollout(reward=[0.0, 0.0, 1.0], terminated=[0, 0, 1], caption_id=[0, 1, 2], state_id=[0, 1, 2])


class Recorder:
    """Says 1 where the question has the word, and keeps what it was asked."""

    name, deterministic = "recorder", True

    def __init__(self, word: str = "key") -> None:
        self.word = word
        self.asked: list[str] = []

    def __call__(self, queries: list[Query]) -> list[Verdict]:
        self.asked += [query.text for query in queries]
        return [Verdict(float(self.word in query.text)) for query in queries]


class Holds(RewardTransform):
    """A user's own transform around another one."""

    what: RewardTransform

    def init(self, key: jax.Array, example: Transition) -> State:
        return self.what.init(key, example)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return self.what.update(rewards, state, transition)


@pytest.mark.parametrize(
    "reward",
    [
        JUDGED,
        chain(first=COUNT, second=chain(judge=JUDGED)),
        Product(chain(judge=JUDGED, count=COUNT)),
        chain(near=Minimum(chain(both=Sum(chain(judge=JUDGED)), count=COUNT))),
        chain(spread=UniformRedistribution(), judge=JUDGED),
        chain(spread=UniformRedistribution(), late=Product(chain(judge=JUDGED, count=COUNT)), end=Delay()),
    ],
    ids=["alone", "nested chain", "product", "minimum of sums", "behind hindsight", "product behind hindsight"],
)
def test_a_judged_part_is_found_and_gets_its_labels(reward: RewardTransform) -> None:
    judge = Recorder()
    desk = JudgeDesk(reward, judge, CAPTIONS)
    assert desk.feedback() is not None
    _, state = replay(reward, DATA)
    desk.ask(state)
    assert sorted(judge.asked) == sorted(CAPTIONS)
    _, state = replay(reward, DATA, feedback=desk.feedback())
    labels = [x for path, x in jax.tree_util.tree_leaves_with_path(state.shared) if "label" in str(path)]
    np.testing.assert_array_equal(labels, [[0.0, 1.0, 0.0]])


@pytest.mark.parametrize("reward", [Freeze(JUDGED), Holds(JUDGED), Freeze(chain(a=COUNT, b=Product(JUDGED)))])
def test_where_no_label_arrives_it_is_refused(reward: RewardTransform) -> None:
    outer = type(reward).__name__
    for judge in (None, Recorder()):
        with pytest.raises(ValueError, match=f"no label would ever reach the Judged inside {outer}; judged parts are"):
            JudgeDesk(chain(part=reward), judge, CAPTIONS)


def test_a_judged_part_without_a_judge_is_refused_wherever_it_stands() -> None:
    with pytest.raises(ValueError, match=r"judged components \['judge'\] but no judge"):
        JudgeDesk(Product(chain(judge=JUDGED, count=COUNT)), None, CAPTIONS)
    with pytest.raises(ValueError, match="a judge is given, but no part of the reward asks one"):
        JudgeDesk(chain(count=COUNT), ScriptedJudge(), CAPTIONS)


def test_parts_with_one_component_share_labels_only_if_they_ask_the_same() -> None:
    twice = chain(a=Product(JUDGED, component="a"), b=Product(JUDGED, component="b"))
    judge = Recorder()
    JudgeDesk(twice, judge, CAPTIONS).ask(replay(twice, DATA)[1])
    assert sorted(judge.asked) == sorted(CAPTIONS)
    unlike = chain(a=Product(JUDGED, component="a"), b=Product(JUDGED.replace(num_captions=4), component="b"))
    with pytest.raises(ValueError, match="2 judged parts share the component 'judge'"):
        JudgeDesk(unlike, judge, CAPTIONS)


def test_subgoals_are_asked_by_name_and_paid_once() -> None:
    reward = JudgedSubgoals(weights=(1.0, 0.5), num_captions=3)
    judge = Recorder('key Does this achieve "has key"')
    desk = JudgeDesk(reward, judge, CAPTIONS, ("has_key", "past_door", "at_goal"))
    _, state = replay(reward, DATA)
    desk.ask(state)
    assert sorted(judge.asked) == sorted(reward.sentences(CAPTIONS, ("has_key", "past_door")))
    assert 'you take the key Does this achieve "past door"?' in judge.asked
    _, state = replay(reward, DATA, feedback=desk.feedback())
    np.testing.assert_array_equal(state.shared["label"], [0, 0, 1, 0, 0, 0])
    own = reward.replace(subgoals=("get hold of the key", "go through"))
    assert own.sentences(CAPTIONS)[2] == 'you take the key Does this achieve "get hold of the key"?'
    with pytest.raises(ValueError, match=r"2 weights, but the task names 1 subgoals: \['goal'\]. Pass subgoals="):
        JudgeDesk(reward, judge, CAPTIONS, ("goal",))
    with pytest.raises(ValueError, match="2 weights, but 1 subgoals"):
        JudgedSubgoals(weights=(1.0, 0.5), subgoals=("one",))


def test_training_keeps_the_order_and_labels_every_judged_part() -> None:
    """What is spread in hindsight and then taken times 0 pays nothing; what stands behind it pays and is labeled."""
    count = len(make("KeyFarm")[0].captions)
    reward = chain(
        subgoals=JudgedSubgoals(weights=(1.0, 0.5, 0.5), num_captions=count),
        seen=EpisodicCount(num_keys=64, component="seen"),
        spread=UniformRedistribution(component="seen"),
        off=Weights({"seen": 0.0}),
        product=Product(chain(judge=Judged(num_captions=count), count=COUNT)),
        again=EpisodicCount(num_keys=64, component="again"),
    )
    config = PPOConfig(num_envs=4, num_steps=8, minibatches=1, epochs=1, pool=8, width=8)
    result = train("KeyFarm", reward=reward, config=config, frames=256, judge=Recorder(), eval_levels=0)
    shared = result.reward_state.shared
    for label in (shared["subgoals"]["label"], shared["product"]["judge"]["label"]):
        assert not jnp.isnan(label).all()
    assert all(record["metrics"]["metric/seen/posted"][0] > 0 for record in result.history)
    paid = {name: np.nansum([r["metrics"][f"return/{name}"] for r in result.history]) for name in ("seen", "again")}
    assert paid["seen"] == 0 and paid["again"] > 0
