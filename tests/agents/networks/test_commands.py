"""Tasks in sentences: commands are scored by what they say, and lines can read each other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rewardax.agents.networks import ActorCritic, AttentionEncoder, CommandHead, TextEncoder
from rewardax.agents.ppo import PPOConfig, build_policy
from rewardax.agents.rollout import look
from rewardax.envs import make
from rewardax.envs.language.vocab import encode
from rewardax.wrappers import chain

COMMANDS = ("take the lamp", "take the key", "open the drawer", "look")


def network(text: str = "deepsets") -> tuple[ActorCritic, Any, Any]:
    env, params = make("Household-tiny")
    policy = build_policy(env, env.observation_space(params), 4, PPOConfig(width=16, encoder=text))
    return policy.bind(policy.init(jax.random.key(0))), env, params


def told(*commands: str) -> jax.Array:
    return jnp.stack([jnp.asarray(encode(command, 8)) for command in commands])


def seen_at(env: Any, params: Any) -> Any:
    return env.observe(env.reset(jax.random.key(3), params), params)


def logits_of(net: ActorCritic, seen: Any, commands: jax.Array) -> jax.Array:
    return net.heads(net.encoder(net.encoder.prepare(seen, commands)))[0]


def test_logits_follow_the_commands_and_not_their_numbers() -> None:
    net, env, params = network()
    seen = seen_at(env, params)
    base = logits_of(net, seen, told(*COMMANDS))
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(logits_of(net, seen, told(*COMMANDS)[order]), base[order], atol=1e-6)
    assert len({round(float(x), 7) for x in base}) == len(COMMANDS)
    np.testing.assert_allclose(
        logits_of(net, seen, told(COMMANDS[0], *COMMANDS[:3]))[0], base[0], atol=1e-6, err_msg="padding counts"
    )


def test_what_is_learned_of_one_command_is_learned_of_those_that_share_its_words() -> None:
    net, env, params = network()
    seen, commands = seen_at(env, params), told(*COMMANDS)
    head = net.policy_head
    assert isinstance(head, CommandHead)
    graph, state = nnx.split(head)
    x = net.encoder(net.encoder.prepare(seen, commands))
    x = x._replace(lines=jnp.zeros_like(x.lines))  # what the lines name is another matter

    def logits(state: Any) -> jax.Array:
        return nnx.merge(graph, state)(jnp.ones(16), x)

    up = jax.grad(lambda state: logits(state)[0])(state)  # raise "take the lamp" alone
    moved = jax.jvp(logits, (state,), (up,))[1]
    lamp, key, drawer, look_around = (float(x) for x in moved)
    assert lamp > key > drawer and key > look_around and key > 0.3 * lamp > 0


def test_a_command_about_what_a_line_names_can_be_told_apart_by_the_line() -> None:
    """The same command, another line: its score moves more than those of commands about other things."""
    net, env, params = network()
    seen = {k: jnp.zeros_like(v) for k, v in seen_at(env, params).items()}

    def task(thing: str) -> Any:
        words = encode(f"put the {thing}", seen["lines"].shape[1])
        return {
            **seen,
            "lines": seen["lines"].at[0].set(words),
            "line_len": seen["line_len"].at[0].set(3),
            "line_type": seen["line_type"].at[0].set(1),
        }

    head = net.policy_head
    assert isinstance(head, CommandHead)
    commands = told(*COMMANDS)  # of the lamp, of the key
    gaps = []
    for thing in ("lamp", "key"):
        x = net.encoder(net.encoder.prepare(task(thing), commands))
        ones = x._replace(lines=jnp.ones_like(x.lines))  # gates of the same size
        score = head(jnp.ones(16), ones)
        gaps.append(float(score[0] - score[1]))
    gates = float(np.sign(head.gates(jnp.ones(16)).sum()))
    assert gates * gaps[0] > gates * gaps[1]


def test_the_commands_are_those_of_the_level() -> None:
    """Action 40 is about another thing in another level: its name alone would not say so."""
    env, params = make("Household-tiny")
    policy = build_policy(env, env.observation_space(params), env.num_actions, PPOConfig(width=8))
    state = jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(jax.random.key(0), 6), params)
    moment = look(env, params, chain(), policy.prepare, state)
    lines = jax.vmap(env.action_lines)(state)
    sketches = np.asarray(moment.prepared.said.commands)
    for a in range(env.num_actions):
        by_words, by_sketch = ({tuple(row) for row in np.asarray(x)[:, a].tolist()} for x in (lines, sketches))
        assert len(by_words) == len(by_sketch)
    assert len({tuple(x) for x in np.asarray(lines).reshape(6, -1).tolist()}) > 1


@pytest.mark.parametrize(("text", "kind"), [("deepsets", TextEncoder), ("attention", AttentionEncoder)])
def test_lines_that_are_off_change_nothing(text: str, kind: type) -> None:
    net, env, params = network(text)
    assert type(net.encoder.encoder) is kind
    seen, commands = dict(seen_at(env, params)), told(*COMMANDS)
    off = int(np.flatnonzero(np.asarray(seen["line_len"]) == 0)[0])
    base = logits_of(net, seen, commands)
    np.testing.assert_array_equal(base, logits_of(net, {**seen, "lines": seen["lines"].at[off].set(77)}, commands))
    on = int(np.flatnonzero(np.asarray(seen["line_len"]) > 0)[0])
    assert np.abs(base - logits_of(net, {**seen, "lines": seen["lines"].at[on, 0].set(77)}, commands)).max() > 1e-7


def test_with_attention_a_line_depends_on_the_others() -> None:
    for text, depends in (("deepsets", False), ("attention", True)):
        net, env, params = network(text)
        encoder = net.encoder.encoder
        assert isinstance(encoder, TextEncoder)
        seen = dict(seen_at(env, params))
        on = np.flatnonzero(np.asarray(seen["line_len"]) > 0)
        other = {**seen, "lines": seen["lines"].at[on[1], 0].set(77)}
        first = [encoder.lines(encoder.prepare(x))[on[0]] for x in (seen, other)]
        assert bool(np.abs(first[0] - first[1]).max() > 1e-6) is depends
