"""Golden adapters of learned redistribution: randomized return decomposition, RUDDER, SPA, ExploRS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from driver import begin, column, proceed, rollout

from rewardax.wrappers import ExploRS
from rewardax.wrappers.credit.attribution import released_token_reward, step_reward
from rewardax.wrappers.credit.redistribution import subset_loss
from rewardax.wrappers.credit.rudder import redistribute

Case = Mapping[str, Any]


def rrd_loss(inputs: Case, params: Case) -> dict[str, Any]:
    drawn = [[(row[i], b) for i in sampled] for b, (row, sampled) in enumerate(_rows(inputs))]
    predicted, episode = (np.asarray(x) for x in zip(*(pair for row in drawn for pair in row), strict=True))
    returns, length = (jnp.asarray(inputs[name], float) for name in ("episode_return", "length"))
    arguments = (jnp.asarray(predicted, float), jnp.ones(len(predicted)), jnp.asarray(episode), returns, length)
    return {"loss": subset_loss(*arguments, unbiased=bool(params.get("unbiased", False)))}


def _rows(inputs: Case) -> list[tuple[list[float], list[int]]]:
    return list(zip(inputs["predicted"], inputs["sampled"], strict=True))


def rudder(inputs: Case, params: Case) -> dict[str, Any]:
    forecast = jnp.asarray([inputs["predictions"]], float)
    mask = jnp.ones(forecast.shape, bool)
    # a return that equals the last forecast needs no correction
    raw, rewards = (
        redistribute(forecast, jnp.asarray([r], float), mask)[0] for r in (forecast[0, -1], _return(inputs))
    )
    return {"raw": raw, "redistributed": rewards}


def _return(inputs: Case) -> float:
    return float(inputs["episode_return"])


def spa(inputs: Case, params: Case) -> dict[str, Any]:
    contribution, grounding = (jnp.asarray(inputs[name], float) for name in ("contribution", "grounding"))
    rewards = step_reward(contribution, grounding, params["alpha"], params["beta"])
    return {
        "step_reward": rewards,
        "released_token_reward": released_token_reward(rewards, jnp.asarray(inputs["mask"])),
    }


def explors(inputs: Case, params: Case) -> dict[str, Any]:
    steps = [(step, i == len(episode) - 1) for episode in inputs["episodes"] for i, step in enumerate(episode)]
    state, action, after = (np.asarray([[step[name]] for step, _ in steps]) for name in ("s", "a", "s_next"))
    terminated = after == (-1 if params["terminal"] is None else params["terminal"])
    truncated = np.asarray([[last] for _, last in steps]) & ~terminated
    reward = np.asarray(inputs["reward_table"], float)[state, action]
    policy = np.asarray([[step["pi"]] for step, _ in steps], float)
    offered = ({"state_id": state, "policy": policy}, {"state_id": after, "policy": policy})
    data = rollout(len(steps), 1, reward, terminated, truncated, True, *offered).replace(action=action)
    explors = ExploRS(
        num_keys=params["n_states"],
        num_actions=policy.shape[-1],
        policy_feature="policy",
        rarity=params["lmbd"],
        highest=params["rmax"],
        learning_rate=params["eta_phi"],
        critic_rate=params["eta_critic"],
        bound=params["clip"],
        gamma=params["gamma"],
    )
    memory = begin(explors, data)
    tables = {name: jnp.asarray(inputs[name], float) for name in ("phi", "V")}
    rewards, memory = proceed(explors, memory._replace(shared={**memory.shared, **tables}), data)
    counts = memory.shared["counts"]
    return {
        "bonus": column(rewards.components["explors_bonus"]),
        "counts": counts,
        "phi": memory.shared["phi"],
        "V": memory.shared["V"],
    }


ADAPTERS = {"rrd_loss": rrd_loss, "rudder": rudder, "spa": spa, "explors": explors}
