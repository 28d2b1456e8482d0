"""What a reward costs: microseconds per transition of every transform, ``python -m benchmarks.rewards``.

Two figures: in a compiled scan at 1024 environments, and in the Gymnasium wrapper around one environment; both are the
time above an empty chain on the same recorded data (the wrapper row says what the empty chain itself adds). ``learn``
is the time of one ``learn`` call per transition of its rollout. Transforms are taken at their defaults.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from benchmarks.timing import alternate, host_rates
from rich.console import Console
from rich.table import Table

from rewardax.wrappers import RewardTransform, RewardWrapper, chain
from rewardax.wrappers.config import registered
from rewardax.wrappers.contract.data import sample_rollout
from rewardax.wrappers.contract.routes import RecordedEnv
from rewardax.wrappers.core import Rewards, State, Transition, advance

STEPS, NUM_ENVS, LEARN_STEPS = 64, 1024, 16


@dataclasses.dataclass
class Options:
    """Which transforms, and where the rows go."""

    only: tuple[str, ...] = ()  # class names; all if empty
    single: bool = True  # also time the Gymnasium wrapper
    out: Path | None = None  # JSONL, a row per transform, written as it is measured


def subjects(only: tuple[str, ...]) -> dict[str, RewardTransform]:
    """Name -> transform at its defaults, or its first example where a default does not exist."""
    found = {}
    for name, cls in sorted(registered().items()):
        ours = issubclass(cls, RewardTransform) and cls.__module__.startswith("rewardax.wrappers.")
        if not ours or name == "Chain" or (only and name not in only):
            continue
        example = cls.examples()[0]
        try:
            default = cls()
            sample_rollout(default.requires, 2, 2)
            jax.eval_shape(default.init, jax.random.key(0), first_row(default))
            found[name] = default if default.requires == example.requires else example
        except (TypeError, ValueError, KeyError):
            found[name] = example
    return found


def first_row(reward: RewardTransform) -> Transition:
    """One step of made-up data with the features a transform reads."""
    return jax.tree.map(lambda x: jnp.asarray(x[0]), sample_rollout(reward.requires, 2, 2))


def runner(reward: RewardTransform, data: Transition) -> Any:
    """A compiled scan over the rollout that returns the sum of all rewards."""
    state = jax.jit(reward.init)(jax.random.key(0), jax.tree.map(lambda x: x[0], data))

    @jax.jit
    def run(state: State, data: Transition) -> Any:
        fresh = state.episode

        def body(state: State, step: Transition) -> tuple[State, jax.Array]:
            rewards, state = advance(reward, state, fresh, step)
            return state, rewards.total.sum() + sum(x.sum() for x in rewards.metrics.values())

        state, received = jax.lax.scan(body, state, data)
        return state, received.sum()

    return lambda: run(state, data)[1], state


def learner(reward: RewardTransform, data: Transition, state: State) -> Any:
    """A compiled call of ``learn`` on a finished rollout."""
    fresh = state.episode

    @jax.jit
    def collect(state: State, data: Transition) -> tuple[State, Rewards]:
        def body(state: State, step: Transition) -> tuple[State, Rewards]:
            rewards, state = advance(reward, state, fresh, step)
            return state, rewards

        return jax.lax.scan(body, state, data)

    state, rewards = collect(state, data)
    learn = jax.jit(lambda r, s, d: reward.learn(r, s, d))
    return lambda: learn(rewards, state, data)


def stepper(reward: RewardTransform, data: Transition) -> Any:
    """One step of the Gymnasium wrapper around a recorded environment, learning included; episodes restart."""
    env = RewardWrapper(RecordedEnv(data, 0), reward)
    env.reset()

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(0)
        if terminated or truncated:
            env.reset()
        return 1

    return step


def has_network(state: State) -> bool:
    """Whether weight matrices are kept for the whole run."""
    leaves = jax.tree_util.tree_leaves_with_path(state.shared)
    return any("kernel" in jax.tree_util.keystr(path) for path, _ in leaves)


def measure(name: str, reward: RewardTransform, single: bool) -> dict[str, Any]:
    """One row of the table."""
    data = jax.tree.map(jnp.asarray, sample_rollout(reward.requires, STEPS, NUM_ENVS))
    run, state = runner(reward, data)
    empty, _ = runner(chain(), data)
    with_it, without = alternate([run, empty], 7)
    row: dict[str, Any] = {
        "name": name,
        "network": has_network(state),
        "causal": bool(reward.causal),
        "scan_us": 1e6 * (with_it - without) / (STEPS * NUM_ENVS),
    }
    if reward.learns:
        short = jax.tree.map(lambda x: x[:LEARN_STEPS], data)
        (seconds,) = alternate([learner(reward, short, state)], 3)
        row["learn_us"] = 1e6 * seconds / (LEARN_STEPS * NUM_ENVS)
    if single and reward.causal:
        alone = sample_rollout(reward.requires, 4096, 1)
        rates = host_rates([stepper(reward, alone), stepper(chain(), alone)], rounds=2, seconds=0.2)
        row["single_us"] = 1e6 / rates[0] - 1e6 / rates[1]
        row["empty_single_us"] = 1e6 / rates[1]
    return row


def main(options: Options) -> None:
    console = Console(width=100)
    rows = []
    for name, reward in subjects(options.only).items():
        row = measure(name, reward, options.single)
        rows.append(row)
        console.print(json.dumps(row))
        if options.out is not None:
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
    table = Table("transform", "network", "scan us", "learn us", "single us")
    for row in sorted(rows, key=lambda row: row["scan_us"]):
        cells = [f"{row[k]:.3f}" if k in row else "-" for k in ("scan_us", "learn_us", "single_us")]
        table.add_row(row["name"], "yes" if row["network"] else "no", *cells)
    console.print(table)
    slow = [row["name"] for row in rows if not row["network"] and row["scan_us"] > 1]
    console.print("without a network and above 1 microsecond per transition:", slow or "none")


if __name__ == "__main__":
    main(tyro.cli(Options))
