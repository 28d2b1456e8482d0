"""The same components along all five routes: single, NEXT_STEP, SAME_STEP, DISABLED, scan."""

from __future__ import annotations

import numpy as np
import pytest
from toy_envs import ACTIONS, CorridorEnv, play

from rewardax.wrappers.config import registered
from rewardax.wrappers.contract_routes import routes
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.single import RewardWrapper

CAUSAL, HINDSIGHT = [], []
for cls in {id(c): c for c in registered().values() if issubclass(c, RewardTransform)}.values():
    if cls.__module__.startswith("rewardax.wrappers."):
        for number, example in enumerate(cls.examples()):
            (CAUSAL if example.causal else HINDSIGHT).append(
                pytest.param(example, id=f"{cls.__name__}-{number}")
            )


def recorded_actions(lanes: int) -> np.ndarray:
    return np.random.default_rng(3).choice(ACTIONS, p=[0.3, 0.45, 0.25], size=(40, lanes))


@pytest.mark.parametrize("reward", CAUSAL)
@pytest.mark.parametrize(("lanes", "learn_every"), [(1, 81), (3, 16)])
def test_every_route_pays_the_same(reward: RewardTransform, lanes: int, learn_every: int) -> None:
    actions = recorded_actions(lanes)
    rollout = play(actions, CorridorEnv.feature_names)
    assert rollout.terminated.any() and rollout.truncated.any()
    for route, paid, expected in routes(reward, CorridorEnv, rollout, actions, learn_every):
        assert paid.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(paid[name], values, 1e-5, 1e-5, err_msg=f"{route}: {name}")


@pytest.mark.parametrize("reward", HINDSIGHT)
def test_hindsight_is_refused_by_the_wrappers(reward: RewardTransform) -> None:
    with pytest.raises(ValueError, match="needs hindsight"):
        RewardWrapper(CorridorEnv(), reward)
