"""The arrays of a game that the device reads, padded to its sizes. They are traced: another game is other numbers."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.language import templates as L
from rewardax.envs.text.strips.game import Game
from rewardax.envs.text.strips.heuristics import Costs, additive_starts, costs

YES, NO, ADDS, DELETES = range(4)  # rows of an operator


class Tables(struct.PyTreeNode):
    """Facts are bits in words of 32; A commands with V ways each; the sizes are those of the game."""

    rules: Any  # u32[A, V, 4, W] facts that must be true, that must be false, that are added, that are deleted
    needs: Any  # i32[A, V, P] the conditions in order: fact + 1, negative if it must be false, 0 for none
    replies: Any  # i32[A, V] sentence
    refusals: Any  # i32[A, V] sentence, 0: the condition that fails
    says: Any  # i32[F, 3] sentence for true, sentence for false, line_type
    slots: Any  # u32[S, W] facts of each line
    seen: Any  # u32[W] facts that are always seen
    gate: Any  # i32[C] fact that makes others seen
    gated: Any  # u32[C, W] those facts
    start: Any  # u32[L, W]
    goal: Any  # u32[L, 2, W] facts to be true, facts to be false
    goals: Any  # i32[L, G] like needs
    goal_lines: Any  # i32[L, G] sentence
    optimal: Any  # i32[L] steps of a shortest plan from the start
    relaxed: Any  # i32[L] h_add of the start
    weight: Any  # u32[F] a state's number is the sum over its true facts
    numbers: Any  # u32[N] of the states of a level, in increasing order
    left: Any  # i32[N] their steps to the goal
    begin: Any  # i32[L + 1] where the states of each level begin
    text: Any  # i32[3, K, W] words of the sentences by wording
    length: Any  # i8[3, K]
    commands: Any  # i32[A, W'] words of the commands
    costs: Costs


@functools.lru_cache(maxsize=32)
def tables_of(game: Game, whole: bool) -> Tables:
    """The arrays of a game, kept for the games used last.

    ``whole`` lays the observation out for all facts instead of those that are seen.
    """
    task, said, sizes = game.task, game.phrases, game.sizes
    count, page = len(task.atoms), game.whole if whole else game.seen
    bits = lambda rows, shape: padded(words(rows, sizes.facts), (*shape, sizes.facts // 32))  # noqa: E731
    index = {atom: i for i, atom in enumerate(task.atoms)}
    shape = sizes.actions, sizes.ways
    rules, needs = np.zeros((*shape, 4, sizes.facts // 32), np.uint32), np.zeros((*shape, sizes.needs), np.int32)
    rules[..., YES, 0] = rules[..., NO, 0] = 1  # what is no operator is never possible
    replies, refusals = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    parts = [words(part, sizes.facts) for part in (task.yes, task.no, task.adds, task.deletes)]
    for action, ways in enumerate(game.commands.ways):
        for way, operator in enumerate(ways):
            rules[action, way] = [part[operator] for part in parts]
            literals = [
                (index[atom] + 1) * (1 if yes else -1) for yes, atom in task.operators[operator].needs if atom in index
            ]
            needs[action, way, : len(literals)] = literals
            replies[action, way] = said.replies[action][way]
            refusals[action, way] = said.refusals[action][way]
    gates = sorted({gate for gate in page.gate.tolist() if gate >= 0})
    groups = np.zeros((len(page.groups), count), bool)
    for row, group in zip(groups, page.groups, strict=True):
        row[list(group)] = True
    goals, goal_lines = (np.zeros((sizes.levels, sizes.goals), np.int32) for _ in range(2))
    for level, goal in enumerate(said.goals):
        goals[level, : len(goal)] = [(fact + 1) * (1 if yes else -1) for fact, yes, _ in goal]
        goal_lines[level, : len(goal)] = [row for _, _, row in goal]
    templates, heuristic = game.templates, costs(task, sizes.costs, sizes.levels, sizes.goals)
    return Tables(
        rules=rules,
        needs=needs,
        replies=replies,
        refusals=refusals,
        says=padded(said.says.astype(np.int32), (sizes.facts, 3)),
        slots=bits(groups, (sizes.whole_lines if whole else sizes.lines,)),
        seen=words((page.gate == -1)[None], sizes.facts)[0],
        gate=padded(np.array(gates, np.int32), (sizes.gates,)),
        gated=bits(page.gate == np.array(gates).reshape(-1, 1), (sizes.gates,)),
        start=bits(task.start, (sizes.levels,)),
        goal=bits(np.stack([task.goal_yes, task.goal_no], 1).reshape(-1, count), (2 * sizes.levels,)).reshape(
            sizes.levels, 2, -1
        ),
        goals=goals,
        goal_lines=goal_lines,
        optimal=padded(game.optimal.astype(np.int32), (sizes.levels,)),
        relaxed=padded(additive_starts(heuristic, task.start), (sizes.levels,)),
        **_distances(game),
        text=padded(templates.ids.astype(np.int32), (L.WORDINGS, sizes.sentences, sizes.line_words)),
        length=padded(templates.length, (L.WORDINGS, sizes.sentences)),
        commands=game.action_templates.ids[0].astype(np.int32),
        costs=heuristic,
    )


def _distances(game: Game) -> dict[str, np.ndarray]:
    """Numbers and distances of the states of the levels that were explored completely."""
    sizes, weight = game.sizes, np.zeros(game.sizes.facts, np.uint32)
    numbers, left = np.zeros(sizes.table, np.uint32), np.zeros(sizes.table, np.int32)
    begin = np.zeros(sizes.levels + 1, np.int32)
    if game.searched and game.exact.any():
        rules, seen, _ = game.searched
        weight[: len(rules.weights)] = rules.weights
        number = rules.number(seen.states)
        order = np.lexsort((number, seen.level))
        order = order[game.exact[seen.level[order]]]
        numbers[: len(order)], left[: len(order)] = number[order], seen.left[order]
        begin[1:] = np.bincount(seen.level[order], minlength=sizes.levels).cumsum()
    return {"weight": weight, "numbers": numbers, "left": left, "begin": begin}


def words(facts: np.ndarray, size: int) -> np.ndarray:
    """u32[..., W] of bool[n, F]."""
    whole = np.pad(facts, ((0, 0), (0, size - facts.shape[1])))
    return np.packbits(whole, axis=1, bitorder="little").view("<u4")


def padded(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros of a shape, with an array in the corner."""
    out = np.zeros(shape, array.dtype)
    out[tuple(map(slice, array.shape))] = array
    return out


def distance(tables: Tables, facts: Array, level: Array) -> Array:
    """int32: steps to the goal of a state bool[F] of a level; -1 if there is no way, -2 if that is not known."""
    number = jnp.where(facts, tables.weight, 0).sum(dtype=jnp.uint32)
    low, high = tables.begin[level], tables.begin[level + 1]
    first, end = low, high
    for _ in range(int(tables.numbers.shape[0]).bit_length()):
        middle = (low + high) // 2
        below = (tables.numbers[middle] < number) & (low < high)
        low, high = jnp.where(below, middle + 1, low), jnp.where(below | (low >= high), high, middle)
    known = (low < end) & (end > first)
    known &= tables.numbers[jnp.minimum(low, len(tables.numbers) - 1)] == number
    return jnp.where(known, tables.left[jnp.minimum(low, len(tables.numbers) - 1)], -2).astype(jnp.int32)
