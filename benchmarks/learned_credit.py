"""How well learned credit recovers hidden step rewards from episode returns: ``python -m benchmarks.learned_credit``.

Policies between an oracle and a random one play whole episodes of a task. What a step earned is hidden: the learner
sees only the sum, on the last step. Each method trains on some episodes and is judged on others: how much of the
variance of the return its step rewards explain (R²), and how they correlate with the hidden step rewards. First
steps are left out of the correlation: RUDDER pays the return it expects from the start there.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from rewardax.agents.rollout import Moment, look, move
from rewardax.base.arrays import env_where
from rewardax.envs import make
from rewardax.envs.core import Env, PyTree
from rewardax.envs.levels import reset_level
from rewardax.wrappers import RUDDER, SPA, Delay, ReturnDecomposition, chain, lare
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, advance

Truth = Callable[[Transition], jax.Array]


def subgoals(step: Transition) -> jax.Array:
    """Hidden reward: every subgoal pays its share when first reached."""
    return step.next_features["subgoal_event"].mean(-1, dtype=jnp.float32)


def progress(step: Transition) -> jax.Array:
    """Hidden reward: the part of the shortest way that the step has covered, negative for steps away."""
    before, after = (x["oracle_steps"].astype(jnp.float32) for x in (step.features, step.next_features))
    return (before - after) / jnp.maximum(step.features["oracle_start"].astype(jnp.float32), 1)


TRUTHS: dict[str, Truth] = {"subgoals": subgoals, "progress": progress}
TASKS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {  # id -> (env_kwargs, factors of LaRe)
    "KeyFarm": ({"horizon": 30}, ("subgoals", "subgoals_now", "state_id")),
    "DoorKey-5x5": ({"horizon": 60}, ("subgoals", "subgoals_now", "progress")),
}


def collect(
    env_id: str, truth: str, num_envs: int, seed: int, env_kwargs: Mapping[str, Any] | None = None
) -> Transition:
    """Whole episodes [horizon, num_envs]; environment i acts at random with a chance of its own from 0.1 to 1, else as
    the oracle. The reward is the hidden one; rows after the end are not valid."""
    env, params = make(env_id, **dict(env_kwargs or {}))
    wanted = Wanted(tuple(sorted({"oracle_steps", "oracle_start", "subgoal_event", "valid"} | set(TASKS[env_id][1]))))
    horizon = env.horizon(params)

    @jax.jit
    def play(params: PyTree, key: jax.Array) -> Transition:
        level, chance, run = jax.random.split(key, 3)
        noise = jax.random.uniform(chance, (num_envs,), minval=0.1)
        indices = jax.random.randint(level, (num_envs,), 0, 2**30)
        state = jax.vmap(lambda i: reset_level(env, params, i))(indices)
        moment = look(env, params, wanted, lambda o, *_: o, state)

        def body(carry: tuple[Moment, jax.Array, jax.Array], key: jax.Array) -> tuple[Any, Transition]:
            moment, over, first = carry
            whether, which = jax.random.split(key)
            anything = jax.random.randint(which, over.shape, 0, env.num_actions)
            action = jnp.where(jax.random.uniform(whether, over.shape) < noise, anything, _oracle(env, params, moment))
            after, step, _ = move(env, params, wanted, lambda o, *_: o, moment, action, first & ~over, ~over)
            step = step.replace(reward=jnp.where(over, 0, TRUTHS[truth](step)))
            carry = (env_where(over, moment, after), over | step.done, jnp.zeros_like(first))
            return carry, step

        start = (moment, jnp.zeros(num_envs, bool), jnp.ones(num_envs, bool))
        return jax.lax.scan(body, start, jax.random.split(run, horizon))[1]

    return play(params, jax.random.key(seed))


def _oracle(env: Env, params: PyTree, moment: Moment) -> jax.Array:
    """The admissible action after which the goal is nearest."""

    def left(state: PyTree, action: jax.Array) -> jax.Array:
        return env.features(env.step(state, action, params)[0], params)["oracle_steps"]

    distance = jax.vmap(jax.vmap(left, (None, 0)), (0, None))(moment.state, jnp.arange(env.num_actions))
    return jnp.argmin(jnp.where(moment.mask, distance, 1 << 20), -1)


class Wanted(RewardTransform):
    """Asks for features and does nothing."""

    names: tuple[str, ...] = dataclasses.field(default=(), metadata={"pytree_node": False})

    @property
    def requires(self) -> tuple[str, ...]:
        return self.names

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards, state


def methods(factors: tuple[str, ...]) -> dict[str, RewardTransform]:
    """What is compared: nothing needs hindsight, so that held-out returns stay hidden from the predictions."""
    common: dict[str, Any] = {"epochs": 1, "minibatches": 8, "learning_rate": 1e-3}
    return {
        "RD": ReturnDecomposition(**common),
        "RRD (K = 8)": ReturnDecomposition(samples=8, **common),
        "LaRe": lare(factors, **common),
        "LaRe (K = 8)": lare(factors, samples=8, **common),
        "RUDDER": RUDDER(correct=False, **common),
        "SPA": SPA(beta=0.05, **common),
    }


def fit(method: RewardTransform, data: Transition, passes: int, seed: int = 0) -> PyTree:
    """Shared memory after ``passes`` calls of ``learn`` on the same episodes, whose reward comes at the end."""
    reward = chain(delay=Delay(), credit=method)

    @jax.jit
    def again(memory: PyTree, data: Transition) -> PyTree:
        rewards, after = pay(reward, memory, data)
        return reward.learn(rewards, after, data)[1].shared

    memory = jax.jit(reward.init)(jax.random.key(seed), jax.tree.map(lambda x: x[0], data)).shared
    for _ in range(passes):
        memory = again(memory, data)
    return memory


def pay(reward: RewardTransform, memory: PyTree, data: Transition) -> tuple[Rewards, State]:
    """``advance`` over whole episodes, with the given shared memory."""
    state = reward.init(jax.random.key(0), jax.tree.map(lambda x: x[0], data))
    fresh, state = state.episode, state._replace(shared=memory)

    def body(state: State, step: Transition) -> tuple[State, Rewards]:
        rewards, state = advance(reward, state, fresh, step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, data)
    return rewards, state


def judge(method: RewardTransform, memory: PyTree, data: Transition) -> dict[str, float]:
    """R² of the held-out returns, and correlation of step rewards with the hidden ones."""
    rewards, _ = jax.jit(pay)(chain(delay=Delay(), credit=method), memory, data)
    valid, later = np.asarray(data.valid), np.asarray(data.valid & ~data.first)
    received, hidden = (np.asarray(x, np.float64) for x in (rewards.components["task"], data.reward))
    predicted = received
    if isinstance(method, SPA):
        predicted = received - float(method.beta) * np.asarray(data.next_features[method.grounding_feature]) * valid
    returns, guessed = hidden.sum(0), predicted.sum(0)
    return {
        "mse": float(np.mean((guessed - returns) ** 2)),
        "r2": float(1 - np.mean((guessed - returns) ** 2) / np.var(returns)),
        "correlation": correlation(received[later], hidden[later]),
    }


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation, 0 if one side is constant."""
    return 0.0 if a.std() < 1e-12 or b.std() < 1e-12 else float(np.corrcoef(a, b)[0, 1])


def compare(env_id: str, truth: str, num_envs: int, held_out: int, passes: int, seed: int = 0) -> list[dict[str, Any]]:
    """One row per method on one task, and one for the untouched delayed reward."""
    env_kwargs, factors = TASKS[env_id]
    train, test = (
        collect(env_id, truth, n, s, env_kwargs) for n, s in ((num_envs, 2 * seed), (held_out, 2 * seed + 1))
    )
    where = {"env": env_id, "truth": truth, "episodes": num_envs, "passes": passes}
    late = np.where(np.asarray(test.done & test.valid), np.asarray(test.reward).sum(0), 0)
    later = np.asarray(test.valid & ~test.first)
    plain = correlation(late[later], np.asarray(test.reward)[later])
    rows: list[dict[str, Any]] = [{**where, "method": "delayed reward", "correlation": plain}]
    for name, method in methods(factors).items():
        begun = time.perf_counter()
        memory = fit(method, train, passes, seed)
        rows.append({**where, "method": name, **judge(method, memory, test), "seconds": time.perf_counter() - begun})
    return rows


def main(
    tasks: tuple[str, ...] = ("KeyFarm", "DoorKey-5x5"),
    num_envs: int = 256,
    held_out: int = 256,
    passes: int = 100,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Print one table per task and hidden reward; with ``out`` also append the rows to a JSONL file."""
    console = Console()
    for env_id in tasks:
        for truth in TRUTHS:
            rows = compare(env_id, truth, num_envs, held_out, passes, seed)
            table = Table("method", "MSE of the return", "R²", "correlation of steps", "seconds")
            for row in rows:
                shown = (f"{row[k]:.3f}" if k in row else "" for k in ("mse", "r2", "correlation"))
                table.add_row(row["method"], *shown, f"{row.get('seconds', 0):.1f}")
            console.print(
                f"{env_id}, hidden reward: {truth}; {num_envs} episodes, {held_out} held out, {passes} passes"
            )
            console.print(table)
            if out is not None:
                with out.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    tyro.cli(main)
