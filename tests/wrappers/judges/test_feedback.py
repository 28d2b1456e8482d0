"""Late labels: checked where they are handed in, and room for every caption."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rewardax.agents.runs.labels import JudgeDesk
from rewardax.base.errors import UserError
from rewardax.envs import GymEnv, GymVectorEnv, make
from rewardax.wrappers import (
    Clip,
    Judged,
    JudgedSubgoals,
    Product,
    RewardWrapper,
    VectorRewardWrapper,
    chain,
)
from rewardax.wrappers.judges import ScriptedJudge
from rewardax.wrappers.judges.feedback import merged

REWARD = chain(clip=Clip(), judge=Judged(num_captions=6))


@pytest.mark.parametrize(
    ("feedback", "message"),
    [
        (
            {"judge": {"caption": [0], "value": [0.1, 0.2]}},
            "every label needs every field, but there are 1 in 'caption'",
        ),
        ({"judge": {"caption": [0, 1], "value": 0.1}}, "every label needs every field"),
        (
            {"jugde": {"caption": [0], "value": [0.1]}},
            "takes labels of the component 'jugde'; there is judge",
        ),
        ({"clip": {"caption": [0], "value": [0.1]}}, "component 'clip'"),
        ({"judge": {"caption": [0]}}, r"has the fields \['caption'\]; needed are \['caption', 'value'\]"),
        ({"judge": {"caption": [0], "value": [0.1], "weight": [1.0]}}, "needed are"),
        ({"judge": {"caption": [0], "value": [None]}}, "is a list of numbers"),
        ({"judge": {"caption": ["a key"], "value": [0.1]}}, "is a list of numbers"),
        ({"judge": {"caption": [[0]], "value": [[0.1]]}}, "is a list of numbers"),
        ({"judge": {"caption": [0.5], "value": [0.1]}}, "captions are numbered 0, 1"),
        ({"judge": {"caption": [True], "value": [0.1]}}, "captions are numbered 0, 1"),
        ({"judge": {"caption": [0], "value": [np.inf]}}, "got an infinity"),
        ({"judge": [0.1]}, "is a mapping"),
        ([0.1], "is a mapping"),
    ],
)
def test_labels_that_do_not_fit_are_refused_and_nothing_is_taken_in(feedback: Any, message: str) -> None:
    env = RewardWrapper(GymEnv("KeyFarm"), REWARD)
    waiting = {"judge": {"caption": [3], "value": [1.0]}}
    env.feed(waiting)
    with pytest.raises((UserError, TypeError), match=message):
        env.feed(feedback)
    assert {name: x.tolist() for name, x in env.session._feedback["judge"].items()} == waiting["judge"]


def test_what_fits_is_taken_in() -> None:
    first = merged(REWARD, {}, {"judge": {"caption": np.array([1.0, 2.0]), "value": [1, 0]}})
    both = merged(REWARD, first, {"judge": {"caption": 2, "value": np.nan}})
    assert both["judge"]["caption"].tolist() == [1, 2] and both["judge"]["caption"].dtype == np.int32
    np.testing.assert_array_equal(both["judge"]["value"], np.array([1.0, np.nan], np.float32))
    assert merged(REWARD, first, {"judge": {"caption": [], "value": []}})["judge"]["caption"].tolist() == [1, 2]
    assert list(merged(Product(Judged(component="llm/helpful")), {}, {"llm/helpful": {"caption": [0], "value": [1.0]}}))


def test_a_component_with_a_slash_is_saved_with_its_labels() -> None:
    env = RewardWrapper(GymEnv("KeyFarm"), Judged(num_captions=6, component="llm/helpful"))
    env.reset(seed=0)
    env.feed({"llm/helpful": {"caption": [0], "value": [1.0]}})
    saved = env.state_dict()
    env.load_state_dict(saved)
    assert env.session._feedback["llm/helpful"]["value"].tolist() == [1.0]


@pytest.mark.parametrize("reward", [Judged(), chain(part=Product(Judged())), JudgedSubgoals(num_captions=256)])
def test_a_table_without_room_for_every_caption_is_refused(reward: Any) -> None:
    env, _ = make("Cooking-easy")
    message = rf"room for 256 captions and there are {len(env.captions)}.*set num_captions={len(env.captions)}"
    for attach in (
        lambda: JudgeDesk(reward, ScriptedJudge("text"), env.captions),
        lambda: RewardWrapper(GymEnv("Cooking-easy"), reward),
        lambda: VectorRewardWrapper(GymVectorEnv("Cooking-easy"), reward),
    ):
        with pytest.raises(UserError, match=message):
            attach()
    RewardWrapper(GymEnv("KeyFarm"), reward)


@pytest.mark.parametrize("caption", [-1, 4])
def test_captions_outside_the_table_are_refused(caption: int) -> None:
    with pytest.raises(ValueError, match=r"captions are numbered 0 to 3; got"):
        merged(Judged(num_captions=4), {}, {"judge": {"caption": [0, caption], "value": [1.0, 1.0]}})
