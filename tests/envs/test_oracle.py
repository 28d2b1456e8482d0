"""The oracle's choice in many states at once is that in each of them alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiers import by_default

from rewardax.envs import make
from rewardax.envs.levels import reset_level
from rewardax.envs.oracle import BLOCK, oracle_action, oracle_actions

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("task", by_default(["Cliff", "DoorKey-5x5"], ["LavaGap-S5", "Coin-tiny"]))
def test_many_states_at_once(task: str) -> None:
    env, params = make(task)
    step = jax.jit(jax.vmap(env.step, (0, 0, None)))
    alone = jax.jit(jax.vmap(lambda state, params: oracle_action(env, state, params), (0, None)))
    together = jax.jit(lambda states, wanted, params: oracle_actions(env, states, wanted, params))
    rng = np.random.default_rng(0)
    states = jax.vmap(lambda level: reset_level(env, params, level))(jnp.arange(3 * BLOCK // 2))
    taken = set()
    for chance in (1.0, 0.5, 0.02):  # also with fewer questions than fit into a block, and with dead ends
        wanted = rng.random(3 * BLOCK // 2) < chance
        expected = np.asarray(alone(states, params))
        found = np.asarray(together(states, jnp.asarray(wanted), params))
        np.testing.assert_array_equal(found[wanted], expected[wanted])
        taken |= set(expected[wanted].tolist())
        states, _ = step(states, jnp.asarray(rng.integers(0, env.num_actions, wanted.size)), params)
    assert len(taken) > 1
    nobody = together(states, jnp.zeros(wanted.size, bool), params)
    assert ((nobody >= 0) & (nobody < env.num_actions)).all()
