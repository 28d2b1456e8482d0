"""A network of a user's own: trained by the same call, refused at the door if something is missing."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rewardax
from rewardax.agents.networks import ActorCritic
from rewardax.agents.ppo import PPOConfig, build_policy
from rewardax.base.errors import UserError
from rewardax.envs import make

SMALL = PPOConfig(num_envs=8, num_steps=4, minibatches=2, pool=16, width=4)


class Linear(nnx.Module):
    """The smallest network there is: one layer, and an encoder that is the observation itself."""

    class Encoder(nnx.Module):
        def prepare(self, observation: Any, commands: Any = None, last: Any = None) -> Any:
            return jax.tree.leaves(observation)[0]

        def __call__(self, prepared: Any) -> Any:
            return prepared.astype(jnp.float32)

    recurrent = False

    def __init__(self, env: Any, space: Any, num_actions: int, config: Any, rngs: nnx.Rngs):
        self.encoder = self.Encoder()
        size = sum(int(np.prod(part.shape)) for part in getattr(space, "spaces", {"": space}).values())
        self.layer = nnx.Linear(size, num_actions + 1, rngs=rngs)

    def initial_hidden(self, batch: int) -> Any:
        return jnp.zeros((batch, 0))

    def embed(self, prepared: Any, hidden: Any, first: Any) -> Any:
        return self.encoder(prepared), hidden

    def unroll(self, prepared: Any, hidden: Any, first: Any) -> Any:
        return self.encoder(prepared)

    def heads(self, x: Any) -> Any:
        out = self.layer(x)
        return out[..., :-1], out[..., -1]

    def value(self, x: Any) -> Any:
        return self.heads(x)[1]


@pytest.mark.parametrize("task", ["KeyFarm", "CartPole-v1"])
def test_a_network_of_ones_own_is_trained(task: str) -> None:
    result = rewardax.train(task, network=Linear, config=SMALL, frames=64, seeds=2, eval_levels=8)
    assert set(result.params) == {"layer"}
    kernels = np.asarray(result.params["layer"]["kernel"])
    again = rewardax.train(task, network=Linear, config=SMALL, frames=64, seeds=(1,), eval_levels=0)
    np.testing.assert_allclose(again.params["layer"]["kernel"][0], kernels[1], atol=1e-6)
    fresh = result.policy.init(jax.random.split(jax.random.key(0))[0])["layer"]["kernel"]
    assert np.abs(kernels[0] - fresh).max() > 1e-4


def test_the_default_network_is_a_builder_too() -> None:
    env, params = make("Coin-tiny")
    space = env.observation_space(params)
    mine = build_policy(env, space, env.num_actions, SMALL, ActorCritic).init(jax.random.key(0))
    jax.tree.map(
        np.testing.assert_array_equal, mine, build_policy(env, space, env.num_actions, SMALL).init(jax.random.key(0))
    )


def test_what_a_network_lacks_is_named() -> None:
    space = gym.spaces.Box(0, 1, (3,))

    class Mute(Linear):
        heads: Any = property()  # there is none

    class Wide(Linear):
        def heads(self, x: Any) -> Any:
            logits, value = super().heads(x)
            return logits, value[..., None]

    class Broken(Linear):
        def unroll(self, prepared: Any, hidden: Any, first: Any) -> Any:
            raise RuntimeError("no idea")

    for builder, message in (
        (Mute, "the network Mute has no heads"),
        (
            Wide,
            r"heads\(embed\(...\)\) of shape \(\(2, 5\), \(2, 1\)\); of two .* must be \(\(2, 5\), \(2,\)\)",
        ),
        (Broken, "the network Broken does not run: RuntimeError: no idea"),
        (lambda *arguments: object(), "returns a flax.nnx.Module; this one gave object"),
    ):
        with pytest.raises(UserError, match=message):
            build_policy(None, space, 5, SMALL, builder)
