"""The numbers in a reward: whether they can be swept in one program, and whether each does something."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import is_key
from rewardax.wrappers.contract.data import on_host, sample_rollout
from rewardax.wrappers.contract.routes import begin, scan
from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition

LABELS = 8  # what a judge says about the first captions
REPEATS = 2  # of the rollout: some numbers matter from the second ``learn`` on
Field = tuple[type[RewardTransform], str]


def branches(reward: RewardTransform, rollout: Transition) -> Iterator[str]:
    """Numbers that cannot be traced, because Python decides on them."""
    example = row(rollout, 0)
    leaves, tree = jax.tree_util.tree_flatten_with_path(reward)
    for number, (path, value) in enumerate(leaves):

        def update(x: Array, example: Transition) -> Rewards:
            numbers = [x if number == k else leaf for k, (_, leaf) in enumerate(leaves)]  # noqa: B023
            traced = jax.tree.unflatten(tree, numbers)
            state = traced.init(jax.random.key(0), example)
            return traced.update(Rewards.open(example), state, example)[0]

        try:
            jax.eval_shape(update, jnp.asarray(value), example)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            kind = type(error).__name__
            yield f"{jax.tree_util.keystr(path)} cannot be swept ({kind}); make it static or use jnp.where"


def swept(reward: RewardTransform, rollout: Transition) -> tuple[Rewards, set[Field], dict[str, Field]]:
    """Run ``reward`` with its own numbers and, one number changed at a time, with others; all in one ``vmap``.

    Returns:
        The rewards with its own numbers, before ``learn``; the fields with a number that changed rewards or memory;
        and the fields of those that changed nothing, by their path in ``reward``.
    """
    rollout = jax.tree.map(jnp.asarray, rollout)  # NumPy arrays cannot be indexed by numbers of a sweep
    named, tree = jax.tree_util.tree_flatten_with_path(reward)
    leaves = [jnp.asarray(x) for _, x in named]

    def run(*numbers: Array) -> tuple[Rewards, Rewards, State]:
        changed = jax.tree.unflatten(tree, numbers)
        state = begin(changed, jax.random.key(0), row(rollout, 0))
        fresh = state.episode

        def once(state: State, _: None) -> tuple[State, tuple[Rewards, Rewards]]:
            rewards, state = scan(changed, state, fresh, rollout)
            labels = {"caption": jnp.arange(LABELS), "value": jnp.linspace(0.0, 1.0, LABELS)}
            learned, state = changed.learn(rewards, state, rollout, dict.fromkeys(rewards.components, labels))
            return state, (rewards, learned)

        state, (rewards, learned) = jax.lax.scan(once, state, length=REPEATS)
        return rewards, learned, state

    settings, which = [leaves], []
    for i, leaf in enumerate(leaves):
        for other in others(leaf):
            settings.append([other if i == k else x for k, x in enumerate(leaves)])
            which.append(i)
    found = jax.jit(jax.vmap(run))(*(jnp.stack(column) for column in zip(*settings, strict=True)))
    seen = [np.asarray(jax.random.key_data(x) if is_key(x) else x) for x in jax.tree.leaves(found)]
    moves = {i for k, i in enumerate(which, 1) if not all(np.array_equal(x[0], x[k], equal_nan=True) for x in seen)}
    fields = [field_of(reward, path) for path, _ in named]
    idle = {
        jax.tree_util.keystr(named[i][0]): (owner, name)
        for i, (owner, name) in enumerate(fields)
        if i not in moves and name in inspect.get_annotations(owner)  # inherited ones are the base's business
    }
    return row(row(found[0], 0), 0), {fields[i] for i in moves}, idle


def works_elsewhere(field: Field, rollout: Transition) -> bool:
    """Whether a number of the field does something in an example of its transform, where an option asks for it."""
    for example in field[0].examples():
        offered = set(example.requires) <= set(rollout.features)
        if field in swept(example, rollout if offered else on_host(sample_rollout(example.requires)))[1]:
            return True
    return False


def field_of(reward: RewardTransform, path: tuple[Any, ...]) -> Field:
    """The field of the innermost transform that holds a number."""
    inner: Any = reward
    owner, field = type(reward), ""
    for step in path:
        if isinstance(inner, RewardTransform):
            owner, field = type(inner), step.name
        named = hasattr(step, "name")
        inner = getattr(inner, step.name) if named else inner[step.idx if hasattr(step, "idx") else step.key]
    return owner, field


def others(x: Array) -> list[Array]:
    """Other values for a number: one near it, and some far away, since a threshold may lie outside of the data."""
    if x.dtype == bool:
        return [~x]
    if jnp.issubdtype(x.dtype, jnp.floating):
        return [x * 1.25 + 0.25, 0 * x, -100 * x - 10, 100 * x + 10]
    return [x + 1, 0 * x]


def row(tree: PyTree, number: int) -> PyTree:
    """Step ``number`` of a rollout."""
    return jax.tree.map(lambda x: x[number], tree)
