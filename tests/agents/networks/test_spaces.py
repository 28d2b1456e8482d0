"""Every kind of observation space: read in full, or refused by name."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from flax import nnx
from gymnasium import spaces

import rewardax
from rewardax.agents.networks import FlatEncoder, make_encoder
from rewardax.base.errors import UserError


def encode(space: spaces.Space, observation: Any) -> tuple[float, ...]:
    encoder = make_encoder(None, space, 8, nnx.Rngs(0))
    assert isinstance(encoder, FlatEncoder)
    vector = encoder(encoder.prepare(observation))
    assert vector.shape == (encoder.size,)
    return tuple(np.asarray(vector).tolist())


@pytest.mark.parametrize(
    ("space", "observations"),
    [
        (spaces.Discrete(3, start=-1), [-1, 0, 1]),
        (spaces.MultiDiscrete([2, 3], start=[1, 5]), [np.array([a, b]) for a in (1, 2) for b in (5, 6, 7)]),
        (spaces.MultiDiscrete([[2, 2], [2, 2]]), [np.array([[0, 1], [0, 0]]), np.array([[0, 0], [1, 0]])]),
        (spaces.MultiBinary(3), [np.array(bits, np.int8) for bits in ((0, 0, 0), (1, 0, 0), (0, 1, 1))]),
        (spaces.MultiBinary((2, 2)), [np.eye(2, dtype=np.int8), 1 - np.eye(2, dtype=np.int8)]),
        (spaces.Box(-1, 1, (2, 1), np.float64), [np.array([[0.5], [1]]), np.array([[1], [0.5]])]),
        (spaces.Box(0, 255, (2, 2, 3), np.uint8), [np.full((2, 2, 3), n, np.uint8) for n in (0, 1, 254, 255)]),
        (
            spaces.Tuple((spaces.Discrete(2), spaces.MultiBinary(1))),
            [(a, np.array([b])) for a in (0, 1) for b in (0, 1)],
        ),
        (
            spaces.Dict(deep=spaces.Dict(both=spaces.Tuple((spaces.Discrete(2), spaces.Box(0, 4, (), np.int64))))),
            [{"deep": {"both": (a, np.array(b))}} for a in (0, 1) for b in (0, 4)],
        ),
    ],
    ids=str,
)
def test_different_observations_become_different_vectors(space: spaces.Space, observations: list[Any]) -> None:
    assert all(space.contains(observation) for observation in observations)
    vectors = {encode(space, observation) for observation in observations}
    assert len(vectors) == len(observations)


def test_each_element_of_a_box_is_scaled_by_its_own_bounds() -> None:
    low, high = np.array([0, -10, 0, -np.inf, 3]), np.array([1000, 10, np.inf, np.inf, 3])
    space = spaces.Box(low.astype(np.float32), high.astype(np.float32))
    assert encode(space, np.array([250, 5, 7, -8, 3], np.float32)) == (0.25, 0.75, 7.0, -8.0, 3.0)
    assert encode(spaces.Box(0, 255, (2,), np.uint8), np.array([0, 255], np.uint8)) == (0.0, 1.0)


def test_a_discrete_space_counts_from_its_start() -> None:
    assert encode(spaces.Discrete(3, start=7), 8) == (0.0, 1.0, 0.0)
    assert encode(spaces.MultiDiscrete([2, 2], start=[4, 0]), np.array([5, 1])) == (0.0, 1.0, 0.0, 1.0)


REFUSED = {
    "Text": spaces.Text(5),
    "Sequence": spaces.Sequence(spaces.Discrete(2)),
    "Graph": spaces.Graph(spaces.Discrete(2), None),
    "OneOf": spaces.OneOf((spaces.Discrete(2), spaces.Discrete(3))),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_fixed_number_of_numbers_is_refused_by_name(kind: str) -> None:
    with pytest.raises(UserError, match=rf"the part that is the whole of the observation: {kind} has no fixed"):
        FlatEncoder(REFUSED[kind])
    nested = spaces.Dict(a=spaces.Discrete(2), b=spaces.Tuple((spaces.Discrete(2), REFUSED[kind])))
    with pytest.raises(UserError, match=rf"the part \['b'\]\[1\] of the observation: {kind} has no fixed"):
        FlatEncoder(nested)


def test_a_space_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no part that a policy could read"):
        FlatEncoder(spaces.Dict())


class Varied(gym.Env):
    """All kinds in one observation. The action must be what only the nested ``MultiBinary`` tells."""

    action_space = spaces.Discrete(2)
    observation_space = spaces.Dict(
        noise=spaces.Box(np.array([-1e9, 0], np.float32), np.array([1e9, 1], np.float32)),
        pair=spaces.Tuple((spaces.Discrete(3, start=2), spaces.Dict(cue=spaces.MultiBinary(2)))),
        many=spaces.MultiDiscrete([2, 2]),
    )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        right = int(action) == self.cue
        return self._see(), float(right), True, False, {"success": right}

    def _see(self) -> Any:
        self.cue = int(self.np_random.integers(2))
        return {
            "noise": self.np_random.random(2).astype(np.float32),
            "pair": (3, {"cue": np.eye(2, dtype=np.int8)[self.cue]}),
            "many": np.array([1, 0]),
        }


class Labeled(Varied):
    """The same with a string."""

    observation_space = spaces.Dict(**Varied.observation_space.spaces, label=spaces.Text(8))

    def _see(self) -> Any:
        return {**super()._see(), "label": "x"}


def test_the_learner_on_the_host_reads_nested_parts_and_refuses_strings() -> None:
    gym.register("toy/Varied-v0", Varied)
    gym.register("toy/Labeled-v0", Labeled)
    config = rewardax.PPOConfig(num_envs=8, num_steps=8, minibatches=2, width=8, learning_rate=1e-2)
    result = rewardax.train("toy/Varied-v0", config=config, frames=2000, eval_levels=200)
    assert result.final["return/task"][0] > 0.8
    with pytest.raises(UserError, match=r"\['label'\] of the observation: Text"):
        rewardax.train("toy/Labeled-v0", config=config, frames=64)
