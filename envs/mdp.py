"""Small tasks written out as tables: every reachable state, what each action does there and what it pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Integer

from rewardax.base.arrays import from_arrays, to_arrays
from rewardax.base.errors import UserError
from rewardax.envs.core import THREEFRY, Env, PyTree

BATCH = 512
DENSE = 10**8


class TabularMDP(NamedTuple):
    """A decision problem with ``S`` states, ``A`` actions and up to ``K`` outcomes; episodes start in state 0.

    States in which the episode is over are absorbing: every action leads back and pays nothing. Outcomes that cannot
    occur have chance 0 and lead back. ``reward``, ``components`` and ``performance`` are expectations.
    """

    successor: Integer[np.ndarray, "S A K"]  #: where each outcome leads
    chance: Float[np.ndarray, "S A K"]  #: adding up to 1
    reward: Float[np.ndarray, "S A"]  #: sum of the components
    components: dict[str, Float[np.ndarray, "S A"]]  #: by name
    performance: Float[np.ndarray, "S A"]  #: the hidden true score
    outcome_reward: Float[np.ndarray, "S A K"]  #: sum of the components, given the outcome
    terminated: Bool[np.ndarray, "S A K"]  #: the outcome ends the episode
    truncated: Bool[np.ndarray, "S A K"]  #: the outcome is the last within the step limit
    admissible: Bool[np.ndarray, "S A"]  #: the action may be taken
    over: Bool[np.ndarray, " S"]  #: the episode is over
    states: PyTree  #: states of the functional core, stacked to [S, ...]

    @property
    def size(self) -> tuple[int, int]:
        """``(S, A)``."""
        return self.reward.shape  # type: ignore[return-value]

    def dense(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrices ``(tau, R)``, f64[S, A, S]: chance of each successor, and expected reward on the way to it.

        Where ``tau`` is 0, so is ``R``.

        >>> from rewardax.envs import enumerate_mdp, level_key, make
        >>> mdp = enumerate_mdp(*make("KeyFarm"), level_key("train", 0), forget=("t",))
        >>> tau, rewards = mdp.dense()
        >>> tau.shape, float(tau.sum(2).min()), bool((tau * rewards).sum() == mdp.reward.sum())
        ((109, 4, 109), 1.0, True)

        Raises:
            UserError: if the matrices would have more than 10^8 entries.
        """
        count, actions = self.size
        if count * actions * count > DENSE:
            raise UserError(f"{count} states and {actions} actions are too many for matrices; take a smaller level")
        tau, earned = np.zeros((2, count, actions, count))
        rows, columns = np.ogrid[:count, :actions]
        where = rows[..., None], columns[..., None], self.successor
        np.add.at(tau, where, self.chance)
        np.add.at(earned, where, self.chance * self.outcome_reward)
        return tau, np.divide(earned, tau, out=np.zeros_like(earned), where=tau > 0)


def enumerate_mdp(
    env: Env, params: PyTree, key: Array, *, forget: Sequence[str] = (), max_states: int = 500_000
) -> TabularMDP:
    """Breadth-first search over everything reachable in the level that ``key`` determines.

    Random steps are followed into each of their outcomes; states that differ in nothing but their random future
    are one state.

    Args:
        env, params: a task; random steps must be listed by its ``outcomes``.
        key: key of the level, e.g. ``level_key("train", 0)``.
        forget: fields of the state held at their first value. ``("t",)`` removes the clock and with it the step
            limit, which leaves far fewer states.
        max_states: give up beyond this many.

    >>> from rewardax.envs import enumerate_mdp, level_key, make
    >>> env, params = make("KeyFarm", horizon=3)
    >>> mdp = enumerate_mdp(env, params, level_key("train", 0))
    >>> mdp.size, bool(mdp.truncated.any())
    ((16, 4), True)

    Raises:
        UserError: if random steps are not listed, a field does not exist or there are too many states.
    """
    start = timeless(env, env.reset(key, params))
    hold = holder(start, forget)

    def move(state: PyTree, action: Array) -> tuple[Array, PyTree, dict[str, Any]]:
        chance, new, step = env.outcomes(state, action, params)
        facts = {
            "components": {"task": step.reward},
            "performance": step.performance,
            "terminated": step.terminated,
            "truncated": step.truncated & ~step.terminated,
        }
        return chance, jax.vmap(lambda state: hold(rekeyed(env, state)))(new), facts

    table, states = explore(move, hold(start), env.num_actions, max_states)
    return assemble(table, states, jax.vmap(lambda s: env.action_mask(s, params)))


def assemble(table: dict[str, Any], states: PyTree, mask: Callable[[PyTree], Array]) -> TabularMDP:
    """The tables that :func:`explore` filled, as an MDP."""
    chance = table["chance"].astype(np.float64)
    chance /= chance.sum(2, keepdims=True)
    rewards = {name: value.astype(np.float64) for name, value in table["components"].items()}
    components = {name: (chance * value).sum(2) for name, value in rewards.items()}
    return TabularMDP(
        successor=table["successor"],
        chance=chance,
        reward=np.sum(list(components.values()), axis=0),
        components=components,
        performance=(chance * table["performance"]).sum(2),
        outcome_reward=np.sum(list(rewards.values()), axis=0),
        terminated=table["terminated"],
        truncated=table["truncated"],
        admissible=np.asarray(jax.jit(mask)(states)),
        over=table["over"],
        states=states,
    )


def rekeyed(env: Env, state: PyTree) -> PyTree:
    """The state with one fixed random future, the same for all states."""
    return env.rekey(state, jax.random.key(0, impl=THREEFRY))


def timeless(env: Env, state: PyTree) -> PyTree:
    """:func:`rekeyed`, after raising ``UserError`` if the steps are random and not listed by ``outcomes``."""
    other = rekeyed(env, state)
    pairs = zip(to_arrays(state), to_arrays(other), strict=True)
    if type(env).outcomes is Env.outcomes and not all(np.array_equal(a, b) for a, b in pairs):
        raise UserError(f"{env.family} has random steps that its outcomes() does not list; derive it from RandomEnv")
    return other


def holder(state: PyTree, names: Sequence[str]) -> Callable[[PyTree], PyTree]:
    """A function that puts the named fields back to their values in ``state``."""
    missing = [name for name in names if not hasattr(state, name)]
    if missing:
        raise UserError(f"cannot forget {missing[0]!r}: the state has the fields {sorted(vars(state))}")
    first = {name: getattr(state, name) for name in names}
    return lambda new: new.replace(**first) if first else new


def explore(
    move: Callable[[PyTree, Array], tuple[Array, PyTree, dict[str, Any]]],
    start: PyTree,
    num_actions: int,
    max_states: int,
) -> tuple[dict[str, Any], PyTree]:
    """Tables ``[S, A, K]`` of chances, successors and facts of every move, and the states ``[S, ...]``.

    ``move(state, action)`` handles one state and gives the chances of its ``K`` outcomes, the states they lead to and
    facts about each; these include ``terminated`` and ``truncated``, after which nothing is searched. States are
    distinguished by their bytes.
    """
    structure = jax.eval_shape(lambda s: s, start)
    actions = jnp.arange(num_actions)

    @jax.jit
    def expand(rows: tuple[Array, ...]) -> tuple[tuple[Array, ...], dict[str, Any]]:
        states = from_arrays(structure, rows)
        chance, new, facts = jax.vmap(jax.vmap(move, (None, 0)), (0, None))(states, actions)
        return to_arrays(new), {**facts, "chance": chance}

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
            possible = fact["chance"] > 0
            flat = [x[possible] for x in new]
            ends = (fact["terminated"] | fact["truncated"])[possible]
            names, fresh = _names(flat, ends), []
            for k, name in enumerate(names):
                if name not in index:
                    index[name] = len(index)
                    fresh.append(k)
            if len(index) > max_states:
                raise UserError(f"more than {max_states} states; take a smaller level or forget=('t',)")
            found = [np.concatenate([old, x[fresh]]) for old, x in zip(found, flat, strict=True)]
            ended = np.concatenate([ended, ends[fresh]])
            target = np.broadcast_to(ids[at : at + count, None, None], possible.shape).copy()
            target[possible] = [index[name] for name in names]
            searched.append(ids[at : at + count])
            targets.append(target)
            facts.append(jax.tree.map(lambda x, there=possible: np.where(there, x, np.zeros_like(x)), fact))
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

    table = jax.tree.map(spread, fact)
    count = table["chance"].shape[2]
    table["over"] = np.concatenate(over)
    table["chance"][table["over"], :, 0] = 1
    table["successor"] = np.tile(np.arange(size, dtype=np.int32)[:, None, None], (num_actions, count))
    table["successor"][where] = np.concatenate(targets)
    leaves = [np.concatenate(parts) for parts in zip(*states, strict=True)]
    return table, from_arrays(structure, leaves)


def _names(rows: Sequence[np.ndarray], ends: np.ndarray) -> list[bytes]:
    """One byte string per state; that the episode is over is part of a state's identity."""
    columns = [*rows, np.asarray(ends)]
    flat = [np.ascontiguousarray(x.reshape(len(ends), -1)).view(np.uint8) for x in columns]
    return [row.tobytes() for row in np.concatenate(flat, 1)]
