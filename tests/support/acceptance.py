"""The acceptance tests of every registered task, numbered as in the coverage table.

Each takes an id and a :class:`Size`; it raises ``AssertionError``, or returns a sentence that says why it does not
apply. ``envs/contract/test_acceptance.py`` runs them small, ``coverage_of_envs.py`` in full on all ids.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.analysis.exact.planning import value_iteration
from rewardax.base.arrays import to_arrays
from rewardax.envs import branch, card, enumerate_mdp, level_key, make, make_pool, reset_level
from rewardax.envs.contract.core import CORE_RULES, declarations
from rewardax.envs.contract.core import groups as shared_layouts
from rewardax.envs.contract.core import oracle as greedy_oracle
from rewardax.envs.contract.core import traced_parameters as rule_of_traced_parameters
from rewardax.envs.contract.gym import gymnasium_rules, routes, saved_state
from rewardax.envs.contract.measure import play
from rewardax.envs.language.templates import WORDINGS
from rewardax.envs.language.vocab import CUT, UNK, tokenize
from rewardax.envs.levels import dynamics_key
from rewardax.envs.text.engine.env import TextEnv
from support.acceptance_play import (
    BLOCK,
    Size,
    broken,
    expander,
    follow,
    guided,
    same,
    search,
    subject,
    visited,
)
from support.play import rows

Check = Callable[[str, Size], str | None]
COVERED = (shared_layouts, rule_of_traced_parameters, greedy_oracle)  # by 4, 9 and 7

# the twelve ------------------------------------------------------------------------------------------------------


def gymnasium(task: str, size: Size) -> str | None:
    """1. Gymnasium's own check; the vector face equals single ones."""
    broken(declarations, subject(task, size))
    broken(gymnasium_rules, task, {})
    broken(routes, task, {})
    return None


def determinism(task: str, size: Size) -> str | None:
    """2. The same level and actions give the same again, alone or among many, compiled or not."""
    found = subject(task, size)
    many, again = found.walk, found.walked()
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(again), strict=True)), (
        "not repeatable"
    )
    at = size.envs // 3
    alone = found.run.reset(at, found.params)
    for t in range(int((~many["over"][:, at]).sum())):
        alone, out = found.run.step(alone, many["action"][t, at], found.params)
        assert same(alone, [x[t, at] for x in many["state"]]), f"alone and among {size.envs} differ at step {t + 1}"
        assert same(out, rows(many["step"], (t, at))), f"alone and among {size.envs} are rewarded differently"
        seen = found.run.seen(alone, found.params)
        assert same(seen, {name: rows(many[name], (t, at)) for name in seen}), (
            f"{size.envs} environments look different"
        )
    for rule in CORE_RULES:
        if rule not in COVERED:
            broken(rule, found)
    return None


def saving(task: str, size: Size) -> str | None:
    """3. A saved state goes on as it would have; branches agree until chance enters."""
    broken(saved_state, task, {})
    env, params = make(task)

    @jax.jit
    def forked(start: Any, futures: Any, params: Any) -> Any:
        states = jax.vmap(env.rekey)(branch(start, 2), jax.vmap(dynamics_key)(futures))
        action = jnp.argmax(env.action_mask(start, params))
        after, _ = jax.vmap(env.step, (0, None, None))(states, action, params)
        return jax.vmap(env.features, (0, None))(states, params), to_arrays(after)

    start = subject(task, size).run.reset(3, params)
    seen, _ = forked(start, jnp.array([1, 2]), params)
    assert same(rows(seen, 0), rows(seen, 1)), "rekey changes what the state is"
    _, after = forked(start, jnp.array([1, 1]), params)
    assert same(rows(after, 0), rows(after, 1)), "two branches with one key differ"
    return None


def flattened(leaves: Any) -> np.ndarray:
    """uint8[N, bytes] of arrays [N, ...]."""
    return np.concatenate([np.asarray(x).reshape(len(x), -1).view(np.uint8).reshape(len(x), -1) for x in leaves], 1)


def groups(task: str, size: Size) -> str | None:
    """4. A group shares its layout; different levels have different hashes."""
    env, params = make(task)
    if "state_hash" not in env.feature_names:
        return "no state_hash"

    @jax.jit
    def facts(ids: Any, params: Any) -> Any:
        state = jax.vmap(lambda i: reset_level(env, params, i, dynamics=0))(ids)
        return to_arrays(state), jax.vmap(env.features, (0, None))(state, params)["state_hash"]

    leaves, hashes = facts(jnp.arange(size.hashes), params)
    levels, names = len(np.unique(flattened(leaves), axis=0)), len(np.unique(np.asarray(hashes), axis=0))
    broken(shared_layouts, subject(task, size))
    assert names <= levels
    if "hidden_from_hash" not in card(getattr(env, "outer", env).family):  # described in words, it is the task inside
        assert names == levels, f"{levels} different levels have {names} different hashes"
    else:
        seen = jax.jit(jax.vmap(lambda i: env.observe(reset_level(env, params, i, dynamics=0), params)))
        looks = len(np.unique(flattened(jax.tree.leaves(seen(jnp.arange(size.hashes)))), axis=0))
        assert names >= looks, f"{looks} levels that look different have {names} different hashes"
    return None


def sentences(task: str, size: Size) -> str | None:
    """5. Tokens and text agree, nothing is cut off, commands round-trip, no input upsets the parser."""
    env, params = make(task)
    if not isinstance(env, TextEnv):
        return "not described in words"
    env, params, states = visited(task, size)
    table = env.templates
    for row in range(len(table.names)):
        slots = [set(table.ids[w, row][table.ids[w, row] < 0].tolist()) for w in range(WORDINGS)]
        assert slots[0] == slots[1] == slots[2], f"template {table.names[row]} has other slots in another wording"
    tokens_of = jax.jit(jax.vmap(env.observe_tokens, (0, None)))
    bound = env.token_space(params).high.max()
    for wording in range(WORDINGS):
        tokens = np.asarray(tokens_of(states, params.replace(wording=jnp.asarray(wording, params.wording.dtype))))
        assert not np.isin(tokens, [CUT, UNK]).any() and tokens.min() >= 0 and tokens.max() <= bound, (
            "a word is cut or unknown"
        )
        for row in tokens[:: max(1, len(tokens) // 50)]:
            assert getattr(env, "tokenize", tokenize)(env.text_of(row)) == [int(x) for x in row if x], env.text_of(row)
    noise = np.random.default_rng(0)
    mask_of = jax.jit(env.action_mask)
    for i in range(0, size.states, max(1, size.states // size.texts)):
        state = rows(states, i)
        mask = np.asarray(mask_of(state, params))
        assert mask.sum() <= env.slots, f"{mask.sum()} admissible actions do not fit into {env.slots} slots"
        if not mask.any():
            continue  # the episode is over
        commands = env.admissible_commands(state, params)
        assert len(set(commands)) == len(commands), f"two admissible commands are the same: {sorted(commands)}"
        for action, command in zip(np.flatnonzero(mask), commands, strict=True):
            assert env.parse(command, state, params) == (action, ""), command
        garbage = bytes(noise.integers(0, 256, 40).astype(np.uint8)).decode("latin-1")
        for text in (
            garbage,
            "",
            "<action>" + garbage,
            commands[0].upper() + "!",
            commands[0] + " then " + commands[-1],
        ):
            action, reason = env.parse(text, state, params)
            assert (action is None) == bool(reason), text
    return None


def masks(task: str, size: Size) -> str | None:
    """6. Admissible actions are valid, all others are not and change nothing; there always is one."""
    env, params, states = visited(task, size)
    if "valid" not in env.feature_names:
        return "no feature valid"

    parts = []
    for at in range(0, size.states, BLOCK):
        shown = jax.device_get(expander(env)(rows(states, slice(at, at + BLOCK)), params))
        now, then = shown["now"], shown["then"]
        changed = (then["state_hash"] != now["state_hash"][:, None]).any(-1)
        parts.append((shown["mask"], then["valid"], changed, shown["reward"], now["success"] | now["failure"]))
    mask, valid, changed, reward, over = (np.concatenate(x) for x in zip(*parts, strict=True))
    live = ~over
    assert mask[live].any(1).all(), "no admissible action"
    wrong = (mask != valid)[live]
    names = sorted({env.action_names[a] for a in np.nonzero(wrong)[1]})
    assert not wrong.any(), f"mask and validity differ for {names[:5]}"
    assert not (changed & ~mask)[live].any() and not (reward > 0)[live][~mask[live]].any(), (
        "a refused action did something"
    )
    return None


def solvable(task: str, size: Size) -> str | None:
    """7. The oracle succeeds on every level within the horizon in the steps it promises; it equals search."""
    env, params = make(task)
    facts = card(env.family)
    planner = getattr(env, "plan", None)
    if "oracle_steps" not in env.feature_names and planner is None:
        return f"no oracle: {facts['oracle']}"
    horizon = env.horizon(params)
    if "oracle_steps" in env.feature_names:
        found = guided(task, size.levels)
        if found.promised.min() >= 0:
            assert found.success.all(), f"{(~found.success).sum()} of {size.levels} levels are not solved"
            assert (found.steps == found.promised).all() and found.steps.max() <= horizon
            run = subject(task, size).run
            for level in range(3):
                shown = run.seen(run.reset(level, params), params)["features"]
                assert (
                    shown.get("oracle_start", found.promised[level]) == shown["oracle_steps"] == found.promised[level]
                )
            search(task, size)
            return None
    assert planner is not None, "oracle_steps is -2 and there is no planner"
    for level in range(min(size.levels, 60)):
        steps, _, won = follow(env, params, level)
        assert won and steps <= horizon, f"level {level}"
    return None


def rewards(task: str, size: Size) -> str | None:
    """8. What the oracle earns is the card's optimum; the hidden score is no feature."""
    env = make(task)[0]
    assert "performance" not in env.feature_names
    row = card(env.family)["presets"][task]
    if "oracle_steps" not in env.feature_names or row.get("optimal_levels") is None:
        return "no oracle that earns the optimum: see 10"
    found = guided(task, size.levels)
    sparse = np.ptp(found.total) < 1e-6
    wanted = row["optimal_return"]
    slack = 1e-5 if sparse else 5 * found.total.std() / np.sqrt(min(size.levels, row["optimal_levels"]))
    assert abs(found.total.mean() - wanted) <= slack, (found.total.mean(), wanted)
    return None


def traced_parameters(task: str, size: Size) -> str | None:
    """9. Changing any traced parameter compiles nothing anew."""
    found = subject(task, size)
    run: Any = found.run.walk  # resets, steps, observes, looks at features and masks
    found.walked()
    compiled, (leaves, tree) = run._cache_size(), jax.tree.flatten(found.params)
    for i, leaf in enumerate(leaves):
        other = ~leaf if leaf.dtype == bool else leaf + jnp.ones((), leaf.dtype)
        run(jnp.arange(size.envs), jax.random.key(0), jax.tree.unflatten(tree, [*leaves[:i], other, *leaves[i + 1 :]]))
    assert run._cache_size() == compiled, f"{run._cache_size() - compiled} more programs for {len(leaves)} settings"
    return None


def optimum(task: str, size: Size) -> str | None:
    """10. The card's optimal return is that of value iteration over the enumerated level."""
    env, params = make(task)
    row = card(env.family)["presets"][task]
    wanted = row.get("optimal_return")
    if wanted is None:
        return "no optimal return in the card"
    if row.get("optimal_levels"):
        if np.ptp(guided(task, size.levels).total) > 1e-6:
            return "the optimum depends on the level: see 8"
        if not search(task, size):
            return f"more than {size.search} states"
    if "levels" in {**card(env.family), **row}:
        return "the optimum is an average over levels: see the family's tests"
    forget = [
        name
        for name in ("log", "fresh", "newly", "events", "last", "outcome", "valid")
        if hasattr(subject(task, size).start, name)
    ]
    try:
        mdp = enumerate_mdp(env, params, level_key("train", 0), forget=forget, max_states=size.table)
    except ValueError:
        return f"more than {size.table} states"
    best = value_iteration(mdp).value[0]
    assert abs(best - wanted) <= 1e-6 * max(1, abs(wanted)), (best, wanted)
    return None


RACE, ENVS = 100, 256
FLOORS = {"text": 20_000, "grid": 100_000, "tabular": 100_000}


@functools.lru_cache(maxsize=4)
def racer(env: Any) -> Any:
    """``(key, pool, params) ->`` a number from all observations of RACE random steps in ENVS environments."""

    def body(pool: Any, params: Any, carry: Any, key: Any) -> Any:
        state, total = carry
        action = jax.random.categorical(key, jnp.where(jax.vmap(env.action_mask, (0, None))(state, params), 0.0, -1e9))
        new, out = jax.vmap(env.step, (0, 0, None))(state, action, params)
        over, fresh = out.terminated | out.truncated, pool.take(key, ENVS)
        new = jax.tree.map(lambda a, b: jnp.where(over.reshape(-1, *[1] * (a.ndim - 1)), a, b), fresh, new)
        seen = jax.vmap(env.observe, (0, None))(new, params)
        return (new, total + sum(x.astype(jnp.uint32).sum() for x in jax.tree.leaves(seen))), None

    @jax.jit
    def run(key: Any, pool: Any, params: Any) -> Any:
        start, keys = (pool.take(key, ENVS), jnp.uint32(0)), jax.random.split(key, RACE)
        return jax.lax.scan(functools.partial(body, pool, params), start, keys)[0][1]

    return run


def speed(task: str, size: Size) -> str | None:
    """11. Steps per second at 256 environments, observations consumed, are above a loose floor."""
    env, params = make(task)
    pool, run = make_pool(env, params, 1024), racer(env)
    run(jax.random.key(0), pool, params).block_until_ready()
    best = 0.0
    for i in range(3):
        begun = time.perf_counter()
        run(jax.random.key(i), pool, params).block_until_ready()
        best = max(best, ENVS * RACE / (time.perf_counter() - begun))
    kind = card(env.family)["kind"]
    assert best > FLOORS[kind], f"{best:,.0f} steps/s"
    return None


def chance(task: str, size: Size) -> str | None:
    """12. Random play succeeds as often as the card says."""
    env, params = make(task)
    row = card(env.family)["presets"][task]
    if "random_success" not in row:
        return "no random success in the card"
    claimed, trials = row["random_success"], min(size.random, max(512, 2_000_000 // env.horizon(params)))
    found = play(env, params, np.arange(500_000, 500_000 + trials), "random", seed=5).success.mean()
    spread = claimed * (1 - claimed) * (1 / trials + 1 / row.get("random_episodes", 1e12))
    assert abs(found - claimed) <= 4 * np.sqrt(spread) + 1.5 / trials, (found, claimed)
    return None


CHECKS: tuple[Check, ...] = (
    *(gymnasium, determinism, saving, groups, sentences, masks),
    *(solvable, rewards, traced_parameters, optimum, speed, chance),
)
