"""The additive heuristic h_add on the device, and the potential that it makes.

h_add pretends that nothing is ever undone and that subgoals are reached one by one: a fact costs as much as the
cheapest operator that makes it true, an operator one more than the sum of what it needs, and the goal the sum of its
facts (Bonet and Geffner 2001, "Planning as heuristic search"). It may be too high or too low, and is never infinite
where there is a plan. Conditions that a fact is false cost as much as the cheapest operator that deletes it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.potentials import Features, reads
from rewardax.envs.text.strips.ground import Task

FAR = 1_000_000  # the cost of what cannot be reached
SPAN = 8  # operators in a row of makers


class Costs(struct.PyTreeNode):
    """Who needs and who makes each literal that is a condition or a goal; one extra entry pads each list."""

    fact: Any  # i32[R] fact of each literal
    sign: Any  # bool[R] whether it is to be true
    needs: Any  # i32[O, P] literals of each operator, R for none
    makers: Any  # i32[M, SPAN] operators that make one literal, O for none; a literal can have several rows
    rows: Any  # i32[R, C] rows of makers of each literal, M for none
    goals: Any  # i32[L, G] literals of each level, R for none


class CostSizes(NamedTuple):
    """Sizes of :class:`Costs`."""

    literals: int  # R
    operators: int  # O
    needs: int  # P
    makers: int  # M
    spans: int  # C


def _literals(task: Task) -> list[tuple[int, bool]]:
    yes, no = task.yes.any(0) | task.goal_yes.any(0), task.no.any(0) | task.goal_no.any(0)
    return [(int(f), True) for f in np.flatnonzero(yes)] + [(int(f), False) for f in np.flatnonzero(no)]


def _makers(task: Task) -> list[list[np.ndarray]]:
    """Operators that make each literal, in rows."""
    made = [np.flatnonzero((task.adds if sign else task.deletes)[:, fact]) for fact, sign in _literals(task)]
    return [np.split(makers, range(SPAN, len(makers), SPAN)) if len(makers) else [] for makers in made]


def cost_sizes(task: Task) -> CostSizes:
    """What a task takes."""
    spans = [len(rows) for rows in _makers(task)]
    needs = int((task.yes.sum(1) + task.no.sum(1)).max(initial=1))
    return CostSizes(len(spans), len(task.operators), needs, max(sum(spans), 1), max(max(spans), 1))


def costs(task: Task, sizes: CostSizes, levels: int, goals: int) -> Costs:
    """Lists of a task, padded to ``sizes`` and to ``goals`` of each of ``levels``."""
    literals = _literals(task)
    place = {literal: i for i, literal in enumerate(literals)}
    fact, sign = np.zeros(sizes.literals, np.int32), np.zeros(sizes.literals, bool)
    fact[: len(literals)], sign[: len(literals)] = zip(*literals, strict=True)

    def lists(yes: np.ndarray, no: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        out = np.full(shape, sizes.literals, np.int32)
        for row, positive, negative in zip(out, yes, no, strict=False):
            members = [place[int(f), True] for f in np.flatnonzero(positive)]
            members += [place[int(f), False] for f in np.flatnonzero(negative)]
            row[: len(members)] = members
        return out

    makers = np.full((sizes.makers, SPAN), sizes.operators, np.int32)
    rows, used = np.full((sizes.literals, sizes.spans), sizes.makers, np.int32), 0
    for literal, spans in enumerate(_makers(task)):
        for span, members in enumerate(spans):
            makers[used, : len(members)] = members
            rows[literal, span] = used
            used += 1
    return Costs(
        fact=fact,
        sign=sign,
        needs=lists(task.yes, task.no, (sizes.operators, sizes.needs)),
        makers=makers,
        rows=rows,
        goals=lists(task.goal_yes, task.goal_no, (levels, goals)),
    )


def _cheaper(costs: Costs, cost: Any, xp: Any = jnp) -> Any:
    """One round: what every literal i32[..., R] costs if the others cost so much; ``xp``: jax.numpy or numpy."""

    def padded(values: Any, padding: int) -> Any:
        return xp.concatenate([values, xp.full((*values.shape[:-1], 1), padding, values.dtype)], -1)

    operator = xp.minimum(1 + padded(cost, 0)[..., costs.needs].sum(-1), FAR)
    maker = padded(operator, FAR)[..., costs.makers].min(-1)
    return xp.minimum(cost, padded(maker, FAR)[..., costs.rows].min(-1))


def additive(costs: Costs, facts: Array, level: Array) -> Array:
    """int32: h_add of a state bool[F] of a level, -1 where even the relaxed goal cannot be reached."""
    at_first = jnp.where(facts[costs.fact] == costs.sign, 0, FAR)

    def goes_on(carry: tuple[Array, Array]) -> Array:
        return (carry[0] != carry[1]).any()

    def body(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        return carry[1], _cheaper(costs, carry[1])

    _, cost = jax.lax.while_loop(goes_on, body, (at_first, _cheaper(costs, at_first)))
    total = jnp.concatenate([cost, jnp.zeros(1, jnp.int32)])[costs.goals[level]].sum()
    return jnp.where(total < FAR, total, -1).astype(jnp.int32)


def additive_starts(costs: Costs, starts: np.ndarray) -> np.ndarray:
    """int32[L]: h_add of the starts bool[L, F] of all levels, on the host."""
    cost = np.where(starts[:, costs.fact] == costs.sign, 0, FAR).astype(np.int32)
    while (cost != (nearer := _cheaper(costs, cost, np))).any():
        cost = nearer
    padded = np.pad(cost, ((0, 0), (0, 1)))
    total = np.take_along_axis(padded, costs.goals[: len(starts)], 1).sum(1)
    return np.where(total < FAR, total, -1).astype(np.int32)


@reads("h_add", "h_add_start", privileged=True)
def relaxed_plan(observation: Any, features: Features) -> Array:
    """Φ = -h_add / (h_add at the start): -1 at the start, 0 at success, -2 where not even the relaxed problem can be
    solved. It knows the rules and the whole state, but no plan, and can point the wrong way.

    >>> steps = jnp.array([8, 2, 0, -1, 12])
    >>> relaxed_plan(None, {"h_add": steps, "h_add_start": jnp.full(5, 8)}).tolist()
    [-1.0, -0.25, 0.0, -2.0, -1.5]
    """
    steps, whole = features["h_add"], jnp.maximum(features["h_add_start"], 1)
    return jnp.where(steps < 0, -2.0, jnp.maximum(0.0 - steps / whole, -2.0)).astype(jnp.float32)
