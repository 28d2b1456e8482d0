"""Levels of HopQA: people, documents about them, and a question that takes several of these to answer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, bits, count_bits, shuffled
from rewardax.envs.text.hopqa.words import ENTITIES, FACTS, HOPS, NOTED, RELATIONS

OPEN, WRONG, RIGHT = range(3)  # outcome levels
FEWEST = 8  # people a level has at least


class HopQAParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``hops``: relations in the question, 1 to 4. ``entities``: people, 8 to 32. ``memory``: facts of earlier documents
    that stay in view, 0 to 6. ``noise``: chance that a document also carries a rumour, a false statement marked as
    such. ``wording``: 0 to 2. ``horizon``: step limit, ``hops + 6`` in the registered tasks. ``time_bonus``: the reward
    is ``1 - time_bonus * t / horizon`` and a clock line appears. ``invalid_penalty``: price of a refused command.
    """

    hops: Any = 2
    entities: Any = ENTITIES
    memory: Any = FACTS * NOTED
    noise: Any = 0.0
    wording: Any = 0
    horizon: Any = 8
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class HopQAState(struct.PyTreeNode):
    """People are 0 to 31; sets of them are bits."""

    count: Array  # int8 people this level has
    name: Array  # int8[32] word of each
    hops: Array  # int8
    path: Array  # int8[5] person asked about, .., answer; -1 beyond
    asked: Array  # int8[4] relations of the question, first hop first
    relation: Array  # int8[32, 3] relations of the facts in each document, increasing
    target: Array  # int8[32, 3] whom these facts name
    rumour: Array  # int8[32] which of the three facts the rumour in a document contradicts, -1 no rumour
    rumoured: Array  # int8[32] whom it names
    searched: Array  # uint32 documents read
    seen: Array  # uint32 names read
    here: Array  # int8 document in view, -1 none
    notes: Array  # int8[2] documents in the notebook, newest first, -1 none
    judged: Array  # bool: the document in view was judged
    followed: Array  # int8 documents of the path that were read
    outcome: Array  # int8 0 no answer yet, 1 wrong, 2 right
    answer: Array  # int8 who was answered, -1 nobody
    events: Array  # uint8 bits
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16


def nth_allowed(allowed: Array, number: Array) -> Array:
    """int32[..., K]: index of the set bits number ``number`` [..., K] of ``allowed`` bool[..., n]."""
    upto = jnp.cumsum(allowed, -1, dtype=jnp.int32)
    return jnp.argmax(upto[..., None, :] > number[..., None], -1).astype(jnp.int32)


def generate(key: Array, params: HopQAParams, history: int) -> HopQAState:
    """A level. Nobody on the path beyond its start is named anywhere but in the one fact that leads to them, so every
    hop has to be made; everything else is uniform, and the same for all who are not on the path."""
    n = ENTITIES
    draws = Draws(key, 2 * n + HOPS + n * len(RELATIONS) + n * FACTS + 3 * n)
    hops = jnp.clip(params.hops, 1, HOPS)
    count = jnp.clip(params.entities, FEWEST, n)
    person = jnp.arange(n)
    exists = person < count
    order = jnp.argsort(shuffled(jnp.where(exists, draws.take(n), 1.0)))
    path = jnp.where(jnp.arange(HOPS + 1) <= hops, order[: HOPS + 1], -1)
    name = 2 * person + (draws.take(n) < 0.5)
    asked = jnp.floor(len(RELATIONS) * draws.take(HOPS)).astype(jnp.int32)

    # documents: three relations each; those on the way to the answer have the one that is needed
    hop = jnp.arange(HOPS)
    on_way = (person[:, None] == path[:-1]) & (hop < hops)  # [person, hop]
    needed = (on_way[:, :, None] & (asked[:, None] == np.arange(len(RELATIONS)))).any(1)
    rank = jax.vmap(shuffled)(1 - jnp.where(needed, 2.0, draws.take(n, len(RELATIONS))))
    relation = nth_allowed(rank < FACTS, jnp.broadcast_to(jnp.arange(FACTS), (n, FACTS)))

    # whom a fact names: nobody from the path beyond its start; its own people do not name the start either
    later = (person[:, None] == path[1:]).any(1)
    free = exists & ~later & (person != person[:, None]) & ~(later[:, None] & (person == path[0]))
    target = nth_allowed(free, jnp.floor((count - hops - 1) * draws.take(n, FACTS)).astype(jnp.int32))
    following = jnp.where(on_way, path[1:], 0).sum(1)
    leads = on_way.any(1)[:, None] & needed[person[:, None], relation]
    target = jnp.where(leads, following[:, None], target)
    rumour = jnp.where(draws.take(n) < params.noise, jnp.floor(FACTS * draws.take(n)).astype(jnp.int32), -1)
    false = free & (person != target[person, jnp.clip(rumour, 0)][:, None])
    pick = jnp.floor(false.sum(1) * draws.take(n)).astype(jnp.int32)
    return HopQAState(
        count=count.astype(jnp.int8),
        name=name.astype(jnp.int8),
        hops=hops.astype(jnp.int8),
        path=path.astype(jnp.int8),
        asked=jnp.where(hop < hops, asked, 0).astype(jnp.int8),
        relation=relation.astype(jnp.int8),
        target=target.astype(jnp.int8),
        rumour=rumour.astype(jnp.int8),
        rumoured=nth_allowed(false, pick[:, None])[:, 0].astype(jnp.int8),
        searched=jnp.uint32(0),
        seen=jnp.uint32(1) << path[0].astype(jnp.uint32),
        here=jnp.int8(-1),
        notes=jnp.full(NOTED, -1, jnp.int8),
        judged=jnp.bool_(False),
        followed=jnp.int8(0),
        outcome=jnp.int8(OPEN),
        answer=jnp.int8(-1),
        events=jnp.uint8(0),
        **first_record(history),
    )


def oracle_steps(state: HopQAState) -> Array:
    """int32: read the documents of the path that are left, answer. 0 after the right answer, -1 after a wrong one."""
    ended = jnp.where(state.outcome == RIGHT, 0, -1)
    return jnp.where(state.outcome == OPEN, state.hops - state.followed + 1, ended).astype(jnp.int32)


def unseen(state: HopQAState) -> Array:
    """bool[32]: people whose name was not read yet."""
    return (jnp.arange(ENTITIES) < state.count) & ~bits(state.seen, ENTITIES)


def belief(state: HopQAState) -> Array:
    """f32[32]: chance that a person is the answer, given everything read: the one at the end of the chain, or, as long
    as it is not complete, anyone who was not named yet."""
    complete = state.followed == state.hops
    fits = jnp.where(complete, jnp.arange(ENTITIES) == state.path[state.hops], unseen(state))
    return fits / fits.sum(dtype=jnp.float32)


_LOG = np.log(np.arange(1, ENTITIES + 1)).astype(np.float32)


def belief_logp(state: HopQAState) -> Array:
    """f32: log-probability of the true answer under :func:`belief`."""
    left = state.count - count_bits(state.seen)
    return jnp.where(state.followed == state.hops, 0.0, -jnp.asarray(_LOG)[left - 1])
