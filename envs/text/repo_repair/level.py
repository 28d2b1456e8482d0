"""Levels of RepoRepair: a small code base with one or two bugs, its tests, and what is left to do in it."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, bits, count_bits, one_of, shuffled
from rewardax.envs.text.repo_repair.words import CELLS, DEFINITIONS, FILES, HIDDEN, STEMS, TESTS, VALUES, VISIBLE

BUGS = 2  # at most
UNITS = VISIBLE + HIDDEN  # all tests
NOT_RUN, FAILED, PASSED, SKIPPED = -1, 0, 1, 2  # entries of the report
NOTHING, UNCHANGED, FAILING, PASSING = range(4)  # outcome levels: nothing submitted, submitted without a change, ..


class RepoRepairParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``files``: 1 to 6, of four definitions each. ``bugs``: 1 or 2 definitions with a wrong value. ``weak``: how many
    visible tests, 0 to 4, also accept one particular wrong value; those that show a bug come first. ``clue``: what the
    issue says beside the failing test: 0 the definition, 1 the file, 2 nothing. ``wording``: 0 to 2. ``horizon``: step
    limit. ``time_bonus``: the reward is ``1 - time_bonus * t / horizon`` and a clock line appears.
    ``invalid_penalty``: price of a refused command, at least 0.
    """

    files: Any = FILES
    bugs: Any = 1
    weak: Any = 0
    clue: Any = 0
    wording: Any = 0
    horizon: Any = 30
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class RepoRepairState(struct.PyTreeNode):
    """Definitions are cells 0 to 23, four per file in the order of the files."""

    value: Array  # int8[24] now
    first: Array  # int8[24] as delivered
    want: Array  # int8[24] as documented
    exists: Array  # bool[24] cells of files that this level has
    name: Array  # int8[24] word of each cell
    cell: Array  # int8[24] cell of each word
    stems: Array  # int8[6] words of the files
    uses: Array  # bool[6, 24] cells each test needs; the first four tests are visible
    weak_cell: Array  # int8[4] cell in which a visible test also accepts `weak_value`, -1 none
    weak_value: Array  # int8[4]
    tests: Array  # int8[4] words of the visible tests
    bugs: Array  # int8[2] cells, -1 none
    shown_by: Array  # int8[2] visible test that fails because of each bug
    open: Array  # int8 file, -1 none
    listed: Array  # bool
    opened: Array  # uint8 files opened so far, bits
    found: Array  # uint32 definitions whose place is known, bits
    read: Array  # uint32 definitions whose documentation was read, bits
    report: Array  # int8[4] result of the last run: -1 not run, 0 failed, 1 passed, 2 skipped
    stale: Array  # bool: a value was changed after the last run
    skipped: Array  # uint8 visible tests, bits
    outcome: Array  # int8 0 nothing submitted, 1 submitted without a change, 2 submitted and failing, 3 passing
    last: Array  # int16 last action
    events: Array  # uint16 bits
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


def generate(key: Array, params: RepoRepairParams, history: int) -> RepoRepairState:
    """A level. Every bug is needed by a visible and a hidden test; other cells are right from the start."""
    draws = Draws(key, 7 * CELLS + STEMS + TESTS + 4 * UNITS + VISIBLE * (VALUES + 1))
    cells = jnp.arange(CELLS)
    exists = cells < DEFINITIONS * jnp.clip(params.files, 1, FILES)
    first_bug = one_of(draws.take(CELLS), exists)
    other = one_of(draws.take(CELLS), exists & (cells != first_bug))
    second = jnp.asarray(params.bugs) > 1
    is_bug = (cells == first_bug) | (second & (cells == other))
    want = jnp.floor(VALUES * draws.take(CELLS)).astype(jnp.int8)
    wrong = (want + 1 + jnp.floor((VALUES - 1) * draws.take(CELLS)).astype(jnp.int8)) % VALUES
    first = jnp.where(is_bug, wrong, want)
    name = shuffled(draws.take(CELLS))

    # tests 0 and 1 show the bugs, 4 and 5 are hidden and strict; the others, and further cells, are right already
    sound = exists & ~is_bug
    spare = one_of(draws.take(2, CELLS), sound)
    heads = jnp.stack([first_bug, other, *spare, first_bug, jnp.where(second, other, first_bug)])
    more = jnp.floor(CELLS * draws.take(UNITS, 2)).astype(jnp.int32)
    wanted = draws.take(UNITS, 2) < 0.5
    further = ((more[..., None] == cells) & wanted[..., None]).any(1) & sound
    uses = (cells == heads[:, None]) | further
    allowed = (jnp.arange(VALUES) != want[heads[:VISIBLE], None]) & (jnp.arange(VALUES) != first[heads[:VISIBLE], None])
    weak_value = one_of(draws.take(VISIBLE, VALUES), allowed)
    weak_cell = jnp.where(jnp.arange(VISIBLE) < params.weak, heads[:VISIBLE], -1)
    place = shuffled(draws.take(VISIBLE))  # test i is shown as number place[i]
    order = jnp.argsort(place)
    state = RepoRepairState(
        value=first,
        first=first,
        want=want,
        exists=exists,
        name=name.astype(jnp.int8),
        cell=jnp.argsort(name).astype(jnp.int8),
        stems=shuffled(draws.take(STEMS))[:FILES].astype(jnp.int8),
        uses=jnp.concatenate([uses[:VISIBLE][order], uses[VISIBLE:]]),
        weak_cell=weak_cell[order].astype(jnp.int8),
        weak_value=weak_value[order].astype(jnp.int8),
        tests=shuffled(draws.take(TESTS))[:VISIBLE].astype(jnp.int8),
        bugs=jnp.stack([first_bug, jnp.where(second, other, -1)]).astype(jnp.int8),
        shown_by=place[:BUGS].astype(jnp.int8),
        open=jnp.int8(-1),
        listed=jnp.bool_(False),
        opened=jnp.uint8(0),
        found=jnp.uint32(0),
        read=jnp.uint32(0),
        report=jnp.full(VISIBLE, NOT_RUN, jnp.int8),
        stale=jnp.bool_(False),
        skipped=jnp.uint8(0),
        outcome=jnp.int8(NOTHING),
        last=jnp.int16(-1),
        events=jnp.uint16(0),
        **first_record(history),
        oracle_start=jnp.int16(0),
    )
    return state.replace(oracle_start=oracle_steps(state).astype(jnp.int16))


def _accepted(state: RepoRepairState, value: Array) -> Array:
    """bool[6, 24]: would a test be content with this value of a cell?"""
    right = jnp.broadcast_to(value == state.want, (VISIBLE, CELLS))
    weak = (jnp.arange(CELLS) == state.weak_cell[:, None]) & (value == state.weak_value[:, None])
    return jnp.concatenate([right | weak, right[:HIDDEN]])


def passing(state: RepoRepairState) -> Array:
    """bool[6]: which tests pass now, if they are run."""
    return (~state.uses | _accepted(state, state.value)).all(1)


def _faulty(state: RepoRepairState, value: Array) -> Array:
    """int32[6]: definitions per file that make some test fail."""
    faulty = (state.uses & ~_accepted(state, value)).any(0)
    return faulty.reshape(FILES, DEFINITIONS).sum(1)


def oracle_steps(state: RepoRepairState) -> Array:
    """int32: open each file with a fault, set each faulty value (or revert the file first, where that takes fewer),
    restore each skipped test, submit. 0 after a success, -1 after a failure."""
    faults, delivered = _faulty(state, state.value), _faulty(state, state.first)
    repairs = jnp.minimum(faults, 1 + delivered)
    opens = (faults > 0) & (state.open != jnp.arange(FILES))
    left = repairs.sum() + opens.sum() + count_bits(state.skipped) + 1
    ended = jnp.where(state.outcome == PASSING, 0, -1)
    return jnp.where(state.outcome == NOTHING, left, ended).astype(jnp.int32)


def located(state: RepoRepairState) -> Array:
    """bool[2]: was the file of each bug opened?"""
    return (state.bugs >= 0) & bits(state.opened, 8)[state.bugs // DEFINITIONS]


def repaired(state: RepoRepairState) -> Array:
    """bool[2]: does each bug have the documented value now?"""
    return (state.bugs >= 0) & (state.value == state.want)[state.bugs]


def subgoals(state: RepoRepairState) -> Array:
    """bool[5]: what is true now."""
    solved = (state.outcome == PASSING)[None]
    return jnp.concatenate([located(state), repaired(state), solved])
