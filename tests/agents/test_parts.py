"""Advantages, losses, distributions and networks of the agents."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from gymnasium import spaces

from rewardax.agents.advantages import gae, shift_values
from rewardax.agents.distributions import entropy, log_prob, mask_logits, sample
from rewardax.agents.losses import aggregate, clipped_policy_loss, explained_variance, normalize
from rewardax.agents.networks import ActorCritic, GridEncoder, Policy, make_encoder
from rewardax.agents.ppo import PPOConfig
from rewardax.agents.terms import Clipped, Estimates, Outputs
from rewardax.envs import make

GRID = spaces.Dict(grid=spaces.Box(0, 255, (7, 7, 3), np.uint8), direction=spaces.Box(0, 3, (), np.int32))
TEXT = spaces.Dict(
    lines=spaces.Box(0, 1023, (6, 8), np.int32),
    line_len=spaces.Box(0, 8, (6,), np.int8),
    line_type=spaces.Box(0, 10, (6,), np.int8),
)


def policy(space):
    return Policy(lambda rngs: ActorCritic(None, space, 5, PPOConfig(width=16), rngs))


def numpy_gae(r, v, nv, term, trunc, gamma, lam):
    adv, last = np.zeros_like(r), np.zeros(r.shape[1])
    for t in reversed(range(len(r))):
        delta = r[t] + gamma * nv[t] * (1 - term[t]) - v[t]
        last = delta + gamma * lam * (1 - np.maximum(term[t], trunc[t])) * last
        adv[t] = last
    return adv


def test_gae_matches_a_loop_with_terminations_and_truncations():
    rng = np.random.default_rng(0)
    r, v, nv = rng.normal(size=(3, 20, 4)).astype(np.float32)
    term, trunc = rng.random((2, 20, 4)) < 0.15
    trunc &= ~term
    advantages, targets = gae(r, v, nv, term, trunc, 0.97, 0.9)
    np.testing.assert_allclose(advantages, numpy_gae(r, v, nv, term, trunc, 0.97, 0.9), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(targets, advantages + v, rtol=1e-5)


def test_truncation_is_not_termination():
    one, no, yes = jnp.ones((1, 1)), jnp.zeros((1, 1), bool), jnp.ones((1, 1), bool)
    cut = gae(one, one, 10 * one, no, yes, 0.9, 0.95)[0]
    end = gae(one, one, 10 * one, yes, no, 0.9, 0.95)[0]
    assert cut.item() == pytest.approx(9.0) and end.item() == pytest.approx(0.0)


def test_final_values_replace_shifted_ones_only_where_truncated():
    values, final = jnp.arange(3.0)[:, None], 100.0 + jnp.arange(3.0)[:, None]
    shifted = shift_values(values, jnp.array([9.0]), jnp.array([[False], [True], [False]]), final)
    assert shifted[:, 0].tolist() == [1.0, 101.0, 9.0]


def test_masked_actions_are_never_sampled_and_gradients_stay_finite():
    mask = jnp.array([[True, False, True], [False, False, True]])

    def loss(logits):
        masked = mask_logits(logits, mask)
        return entropy(masked, mask).sum() + log_prob(masked, jnp.array([0, 2])).sum()

    logits = jnp.array([[0.1, 50.0, 0.2], [9.0, 9.0, -9.0]])
    actions = jax.vmap(lambda k: sample(k, mask_logits(logits, mask)))(jax.random.split(jax.random.key(0), 200))
    assert set(np.unique(actions[:, 0])) == {0, 2} and set(np.unique(actions[:, 1])) == {2}
    grads = jax.grad(loss)(logits)
    assert jnp.isfinite(grads).all() and grads[1].tolist() == [0.0, 0.0, 0.0] and grads[0, 1] == 0


def test_losses_have_no_signal_where_there_is_nothing_to_compare():
    assert normalize(jnp.full((4,), 3.0)).tolist() == [0.0] * 4
    assert normalize(jnp.array([5.0, 7.0]), jnp.zeros(2)).tolist() == [0.0, 0.0]
    assert aggregate(jnp.ones((2, 3)), jnp.zeros((2, 3)), "seq-mean-token-mean").item() == 0.0
    assert explained_variance(jnp.ones(3), jnp.ones(3)).item() == 0.0
    assert jnp.isfinite(clipped_policy_loss(jnp.array(900.0), jnp.array(-900.0), jnp.array(-1.0)))
    with pytest.raises(ValueError, match="unknown aggregation 'mean'"):
        aggregate(jnp.ones((2, 2)), how="mean")


def test_small_advantages_stay_small_in_the_policy_loss():
    """Under a floor of 0.1, advantages of ±0.02 push the policy a fifth as far as standardized ones."""
    batch: Any = SimpleNamespace(logp=jnp.zeros(4))
    sign = jnp.array([1.0, -1.0, 1.0, -1.0])

    def push(floor: float, size: float) -> Any:
        known = Estimates(size * sign, jnp.zeros(4), None)
        return jax.grad(lambda x: Clipped(0.2, floor)(Outputs(x, x, x), batch, known)[0])(jnp.zeros(4))

    np.testing.assert_allclose(push(0.0, 0.02), -sign / 4, rtol=1e-4)
    np.testing.assert_allclose(push(0.1, 0.02), -0.2 * sign / 4, rtol=1e-4)
    np.testing.assert_allclose(push(0.1, 2.0), -sign / 4, rtol=1e-4)


def text_observation(lines):
    ids = np.zeros((6, 8), np.int32)
    length = np.zeros(6, np.int8)
    for i, line in enumerate(lines):
        ids[i, : len(line)], length[i] = line, len(line)
    return {"lines": ids, "line_len": length, "line_type": (length > 0).astype(np.int8)}


def value_of(policy, params, observation):
    net = policy.bind(params)
    batch = jax.tree.map(lambda x: jnp.asarray(x)[None], observation)
    return net.heads(net.encoder(net.encoder.prepare(batch)))[0][0]


def test_text_encoder_reads_word_order_and_ignores_padding():
    p = policy(TEXT)
    params = p.init(jax.random.key(1))
    red_in_blue = [[20, 31, 32, 40, 33, 34], [50, 51]]
    swapped = [[20, 33, 34, 40, 31, 32], [50, 51]]
    base = value_of(p, params, text_observation(red_in_blue))
    assert not np.allclose(base, value_of(p, params, text_observation(swapped)), atol=1e-5)
    dirty = text_observation(red_in_blue)
    dirty["lines"][0, 6:] = 77  # words beyond the end of a line
    dirty["lines"][4] = 77  # words of a line that is off
    np.testing.assert_array_equal(base, value_of(p, params, dirty))


def test_grid_encoder_tells_kinds_states_colors_and_directions_apart():
    p = policy(GRID)
    encoder = p.bind(p.init(jax.random.key(0))).encoder

    def encode(cell, direction=0):
        grid = jnp.ones((1, 7, 7, 3), jnp.uint8).at[..., 1:].set(0).at[0, 2, 3].set(jnp.array(cell, jnp.uint8))
        return encoder(encoder.prepare({"grid": grid, "direction": jnp.array([direction])}))[0]

    cells = [(1, 0, 0), (2, 5, 0), (4, 0, 0), (4, 0, 1), (4, 0, 2), (4, 3, 2), (5, 4, 0), (5, 2, 0), (8, 1, 0)]
    vectors = [tuple(np.asarray(encode(c)).tolist()) for c in cells] + [
        tuple(np.asarray(encode((1, 0, 0), d)).tolist()) for d in (1, 2, 3)
    ]
    assert len(set(vectors)) == len(vectors)


def test_value_alone_equals_value_of_heads():
    p = policy(GRID)
    net = p.bind(p.init(jax.random.key(0)))
    x = jax.random.normal(jax.random.key(2), (4, net.encoder.size))
    np.testing.assert_allclose(net.value(x), net.heads(x)[1], atol=1e-6)


def test_a_space_without_numbers_is_refused():
    with pytest.raises(ValueError, match="Text has no fixed number"):
        policy(spaces.Dict(words=spaces.Text(5)))


@pytest.mark.parametrize(("task", "colored"), [("DoorKey-5x5", False), ("Unlock", True)])
def test_the_grid_encoder_has_planes_for_colors_where_they_tell_more_than_types(task: str, colored: bool) -> None:
    env, params = make(task)
    encoder = make_encoder(env, env.observation_space(params), 8, nnx.Rngs(0))
    assert isinstance(encoder, GridEncoder)
    assert encoder.colored is colored
    assert encoder.size == encoder.cells * (encoder.planes + 3 * colored) + 4
