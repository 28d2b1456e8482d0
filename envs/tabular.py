"""Small tasks written out as tables: every reachable state, what each action does there and what it pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.arrays import from_arrays, to_arrays
from rewardax.envs.core import Env, PyTree

BATCH = 512


class TabularMDP(NamedTuple):
    """A deterministic decision problem with ``S`` states and ``A`` actions; state 0 is where episodes start.

    States in which the episode is over are absorbing: every action leads back and pays nothing.
    """

    successor: np.ndarray  # i32[S, A]
    reward: np.ndarray  # f64[S, A] sum of the components
    components: dict[str, np.ndarray]  # name -> f64[S, A]
    performance: np.ndarray  # f64[S, A] the hidden true score
    terminated: np.ndarray  # bool[S, A]
    truncated: np.ndarray  # bool[S, A]
    admissible: np.ndarray  # bool[S, A]
    over: np.ndarray  # bool[S]
    states: PyTree  # states of the functional core, stacked to [S, ...]

    @property
    def size(self) -> tuple[int, int]:
        """``(S, A)``."""
        return self.successor.shape  # type: ignore[return-value]


def enumerate_mdp(
    env: Env, params: PyTree, key: Array, *, forget: Sequence[str] = (), max_states: int = 500_000
) -> TabularMDP:
    """Breadth-first search over everything reachable in the level that ``key`` determines.

    Args:
        env, params: a task with deterministic steps.
        key: key of the level, e.g. ``level_key("train", 0)``.
        forget: fields of the state held at their first value. ``("t",)`` removes the clock and with it the step
            limit, which leaves far fewer states.
        max_states: give up beyond this many.

    >>> from rewardax.envs import enumerate_mdp, level_key, make
    >>> env, params = make("KeyFarm", horizon=3)
    >>> mdp = enumerate_mdp(env, params, level_key("train", 0))
    >>> mdp.size, bool(mdp.truncated.any())
    ((16, 4), True)

    Raises ``ValueError`` if steps are random, a field does not exist or there are too many states.
    """
    start = env.reset(key, params)
    check_deterministic(env, start)
    hold = holder(start, forget)

    def move(state: PyTree, action: Array) -> tuple[PyTree, dict[str, Any]]:
        new, step = env.step(state, action, params)
        facts = {
            "components": {"task": step.reward},
            "performance": step.performance,
            "terminated": step.terminated,
            "truncated": step.truncated & ~step.terminated,
        }
        return hold(new), facts

    table, states = explore(move, start, env.num_actions, max_states)
    return assemble(table, states, jax.vmap(lambda s: env.action_mask(s, params)))


def assemble(table: dict[str, Any], states: PyTree, mask: Callable[[PyTree], Array]) -> TabularMDP:
    """The tables that :func:`explore` filled, as an MDP."""
    components = {name: value.astype(np.float64) for name, value in table["components"].items()}
    return TabularMDP(
        successor=table["successor"],
        reward=np.sum(list(components.values()), axis=0),
        components=components,
        performance=table["performance"].astype(np.float64),
        terminated=table["terminated"],
        truncated=table["truncated"],
        admissible=np.asarray(jax.jit(mask)(states)),
        over=table["over"],
        states=states,
    )


def check_deterministic(env: Env, state: PyTree) -> None:
    """Raise ``ValueError`` if the environment keeps a random future in its state."""
    other = env.rekey(state, jax.random.key(1, impl="threefry2x32"))
    pairs = zip(to_arrays(state), to_arrays(other), strict=True)
    if not all(np.array_equal(a, b) for a, b in pairs):
        raise ValueError(f"{env.family} has random steps; only deterministic tasks can be written as a table")


def holder(state: PyTree, names: Sequence[str]) -> Callable[[PyTree], PyTree]:
    """A function that puts the named fields back to their values in ``state``."""
    missing = [name for name in names if not hasattr(state, name)]
    if missing:
        raise ValueError(f"cannot forget {missing[0]!r}: the state has the fields {sorted(vars(state))}")
    first = {name: getattr(state, name) for name in names}
    return lambda new: new.replace(**first) if first else new


def explore(
    move: Callable[[PyTree, Array], tuple[PyTree, dict[str, Any]]],
    start: PyTree,
    num_actions: int,
    max_states: int,
) -> tuple[dict[str, Any], PyTree]:
    """Tables ``[S, A]`` of the facts of every move from every reachable state, and the states ``[S, ...]``.

    ``move(state, action)`` handles one state; its facts include ``terminated`` and ``truncated``, after which
    nothing is searched. States are told apart by their bytes.
    """
    structure = jax.eval_shape(lambda s: s, start)
    actions = jnp.arange(num_actions)

    @jax.jit
    def expand(rows: tuple[Array, ...]) -> tuple[tuple[Array, ...], dict[str, Any]]:
        new, facts = jax.vmap(jax.vmap(move, (None, 0)), (0, None))(from_arrays(structure, rows), actions)
        return to_arrays(new), facts

    rows = [np.asarray(x)[None] for x in to_arrays(start)]  # leaves of the states to expand next
    ids = np.zeros(1, int)
    index, states, over = {_names(rows, np.zeros(1, bool))[0]: 0}, [rows], [np.zeros(1, bool)]
    searched, targets, facts = [], [], []
    while len(ids):
        known, found = len(index), [np.zeros((0, *x.shape[1:]), x.dtype) for x in rows]
        ended = np.zeros(0, bool)
        for at in range(0, len(ids), BATCH):
            count = min(BATCH, len(ids) - at)
            part = tuple(np.resize(x[at : at + count], (BATCH, *x.shape[1:])) for x in rows)
            new, fact = jax.tree.map(lambda x, n=count: np.asarray(x)[:n], expand(part))
            flat = [x.reshape(-1, *x.shape[2:]) for x in new]
            ends = (fact["terminated"] | fact["truncated"]).reshape(-1)
            names, fresh = _names(flat, ends), []
            for k, name in enumerate(names):
                if name not in index:
                    index[name] = len(index)
                    fresh.append(k)
            if len(index) > max_states:
                raise ValueError(f"more than {max_states} states; take a smaller level or forget=('t',)")
            found = [np.concatenate([old, x[fresh]]) for old, x in zip(found, flat, strict=True)]
            ended = np.concatenate([ended, ends[fresh]])
            searched.append(ids[at : at + count])
            targets.append(np.array([index[name] for name in names]).reshape(count, num_actions))
            facts.append(fact)
        states.append(found)
        over.append(ended)
        ids = np.arange(known, len(index))[~ended]
        rows = [x[~ended] for x in found]

    where, size = np.concatenate(searched), len(index)
    fact = jax.tree.map(lambda *parts: np.concatenate(parts), *facts)

    def spread(values: np.ndarray) -> np.ndarray:
        table = np.zeros((size, *values.shape[1:]), values.dtype)
        table[where] = values
        return table

    successor = np.tile(np.arange(size)[:, None], num_actions)
    successor[where] = np.concatenate(targets)
    table = {**jax.tree.map(spread, fact), "successor": successor, "over": np.concatenate(over)}
    leaves = [np.concatenate(parts) for parts in zip(*states, strict=True)]
    return table, from_arrays(structure, leaves)


def _names(rows: Sequence[np.ndarray], ends: np.ndarray) -> list[bytes]:
    """One byte string per state; that the episode is over is part of a state's identity."""
    columns = [*rows, np.asarray(ends)]
    flat = [np.ascontiguousarray(x.reshape(len(ends), -1)).view(np.uint8) for x in columns]
    return [row.tobytes() for row in np.concatenate(flat, 1)]
