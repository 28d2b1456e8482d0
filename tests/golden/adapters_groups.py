"""Golden adapters of rewards and scores that look at a whole group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from run import NotCovered

from rewardax.wrappers.groups.cgrpo import c_grpo
from rewardax.wrappers.groups.dler import dler, step_whiten
from rewardax.wrappers.groups.ema_grpo import TaskMoments, ema_grpo
from rewardax.wrappers.groups.gardo import GateWidth, diversity_weighted, rank_gap
from rewardax.wrappers.groups.gdpo import gdpo
from rewardax.wrappers.groups.grpo_lambda import grpo_lambda
from rewardax.wrappers.groups.hbpo import budget_reward, hbpo
from rewardax.wrappers.groups.majority_novelty import evol_rl
from rewardax.wrappers.groups.outcome_exploration import outcome_exploration
from rewardax.wrappers.groups.statistics import group_zscore, whiten
from rewardax.wrappers.groups.success_distance import success_distance
from rewardax.wrappers.groups.trust_grpo import trust_grpo
from rewardax.wrappers.groups.verpo import verpo

Case = Mapping[str, Any]


def numbers(values: Any) -> jnp.ndarray:
    return jnp.asarray(np.asarray(values, float))


def ids(names: Any) -> jnp.ndarray:
    """Group names as integers in order of appearance."""
    order = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return jnp.asarray([order[name] for name in names])


def ragged(rows: list[list[Any]], fill: Any) -> tuple[np.ndarray, np.ndarray]:
    """Padded array and its mask."""
    longest = max(len(row) for row in rows)
    mask = np.array([[t < len(row) for t in range(longest)] for row in rows])
    return np.array([row + [fill] * (longest - len(row)) for row in rows], float), mask


def run_c_grpo(inputs: Case, params: Case) -> dict[str, Any]:
    outcome, rubric = numbers(inputs["outcome"]), numbers(inputs["rubric"])
    one = jnp.zeros(len(outcome), int)
    released = c_grpo(outcome, rubric, one, alpha=params["alpha"], form=params["mode"], normalize=params["normalize"])
    return {"reward": released, "paper": c_grpo(outcome, rubric, one, alpha=params["alpha"])}


def run_trust_grpo(inputs: Case, params: Case) -> dict[str, Any]:
    answer = numbers(inputs["answer"])
    reward, used = trust_grpo(
        answer,
        numbers(inputs["thinking"]),
        jnp.zeros(len(answer), int),
        decay=np.exp(-params["step"] / params["T"]),
        alpha=params["alpha"],
        right=params["right_threshold"],
        floor=params["min_answer_for_thinking"],
        low=params["skip_low"],
        high=params["skip_high"],
    )
    return {"reward": reward, "thinking_used": used}


def run_grpo_lambda(inputs: Case, params: Case) -> dict[str, Any]:
    correct, exists = ragged(inputs["correct"], 0)
    length, _ = ragged(inputs["length"], 0)
    group = jnp.asarray(np.repeat(np.arange(len(correct)), correct.shape[1]))
    mask = jnp.asarray(exists.ravel())
    reward, chosen = grpo_lambda(
        numbers(correct.ravel()), numbers(length.ravel()), group, mask, fraction=params["lam"], alpha=params["alpha"]
    )
    advantage = group_zscore(reward, group, mask, params["eps"], ddof=0)
    back = lambda x: [np.asarray(x).reshape(correct.shape)[g][exists[g]].tolist() for g in range(len(correct))]  # noqa: E731
    selected = np.flatnonzero(np.asarray(chosen).reshape(correct.shape).any(1))
    return {"selected": selected, "reward": back(reward), "advantages": back(advantage)}


def run_verpo(inputs: Case, params: Case) -> dict[str, Any]:
    checks = len(inputs["passes"][0][0])
    passes, _ = ragged([[t for t in episode] for episode in inputs["passes"]], [0] * checks)
    turns = np.array([[t < len(e) for t in range(passes.shape[1])] for e in inputs["passes"]])
    got = verpo(numbers(passes), numbers(inputs["outcome"]), jnp.asarray(turns), **params)
    cut = lambda x: [np.asarray(x)[i][turns[i]].tolist() for i in range(len(turns))]  # noqa: E731
    return {
        "rho": got.rate,
        "weights": got.weight,
        "turn_reward": cut(got.turn),
        "traj_reward": got.trajectory,
        "advantages": cut(got.advantage),
    }


def run_gardo(inputs: Case, params: Case) -> dict[str, Any]:
    if params["kind"] == "diversity_advantage":
        group = ids(inputs["group"])
        return {"advantages": diversity_weighted(numbers(inputs["rewards"]), numbers(inputs["features"]), group)}
    if params["kind"] != "gate":
        raise NotCovered(f"kind {params['kind']!r}")
    width = GateWidth.create(params["window"], params["beta0"], jnp.float64)
    limits = {"step": params["step"], "low": params["beta_min"], "high": params["beta_max"]}
    betas, batches = [], []
    for batch in inputs["batches"]:
        released = -rank_gap(numbers(batch["main"]), numbers(batch["aux"]))
        threshold, gate, width = width.gate(released, **limits)
        betas.append(width.beta)
        batches.append({"threshold": threshold, "gate": gate.astype(int)})
    return {"beta": [float(b) for b in betas], "batches": batches}


def run_srpo(inputs: Case, params: Case) -> dict[str, Any]:
    options = {k: params[k] for k in ("eps", "min_samples", "scale", "steepness", "offset")}
    success = jnp.asarray(inputs["success"]) == 1
    group = ids(inputs["task"])
    return {
        "scores": success_distance(numbers(inputs["embedding"]), success, group, flat=params["flat_tol"], **options)
    }


def run_ema_grpo(inputs: Case, params: Case) -> dict[str, Any]:
    names = list(dict.fromkeys(t for batch in inputs["batches"] for t in batch["task"]))
    moments = TaskMoments.create(len(names), jnp.float64)
    advantages, stds = [], []
    for batch in inputs["batches"]:
        task = jnp.asarray([names.index(t) for t in batch["task"]])
        advantage, moments = ema_grpo(
            numbers(batch["scores"]),
            ids(batch["group"]),
            task,
            moments,
            decay=params["decay"],
            floor=params["min_std"],
            eps=params["eps"],
            guard=params["guard"],
        )
        advantages.append(advantage.tolist())
        std = moments.std(params["min_std"])
        stds.append({name: float(std[i]) for i, name in enumerate(names) if moments.seen[i]})
    return {"advantages": advantages, "std": stds}


def run_gdpo(inputs: Case, params: Case) -> dict[str, Any]:
    if params["ddof"] != 1:
        raise NotCovered(f"ddof {params['ddof']}")
    rewards, group = numbers(inputs["rewards"]), jnp.asarray(inputs["group_id"])
    weights, mask = numbers(params["weights"]), jnp.asarray(inputs["mask"]) > 0
    trl, verl = (
        gdpo(rewards, group, weights=weights, eps=params[eps], batch=False).sum(-1) for eps in ("eps_trl", "eps_verl")
    )
    return {
        "pre_batchnorm": trl,
        "gdpo_trl": gdpo(rewards, group, weights=weights, eps=params["eps_trl"]).sum(-1),
        "gdpo_verl_per_step": whiten(jnp.where(mask, verl[:, None], 0), mask, 1e-8),
        "grpo_on_weighted_sum": group_zscore(rewards @ weights, group, eps=params["eps_trl"]),
    }


def run_dler(inputs: Case, params: Case) -> dict[str, Any]:
    mask = jnp.asarray(inputs["mask"]) > 0
    outcome = numbers(inputs["outcome"])
    reward, centered = dler(outcome, mask.sum(1).astype(float), ids(inputs["group"]), limit=params["length_limit"])
    return {"effective_reward": reward, "advantages": step_whiten(centered, mask)}


def run_hbpo(inputs: Case, params: Case) -> dict[str, Any]:
    if params["period"] != 2 * params["max_len"]:
        raise NotCovered(f"period {params['period']}")
    budget, group = numbers(inputs["budget"]), ids(inputs["group"])
    options = {"max_length": params["max_len"], "pi": params["pi"]}
    reward = budget_reward(numbers(inputs["correct"]), numbers(inputs["length"]), budget, **options)
    return {
        "reward": reward,
        "advantages_released": hbpo(reward, budget, group, intra=2.0, **options),
        "advantages_once": hbpo(reward, budget, group, **options),
    }


def run_outcome_exploration(inputs: Case, params: Case) -> dict[str, Any]:
    answers = jnp.asarray(inputs["answers"])
    count = np.asarray(inputs["historical_count"])
    one, seen = jnp.zeros(len(answers), int), jnp.asarray(count)[answers]
    kinds = {
        k: outcome_exploration(answers, seen, one, form=k, b0=params["b0"]) for k in ("ucb", "ucb_mean", "ucb_con")
    }
    new = count + np.bincount(inputs["answers"], minlength=len(count))
    return {**kinds, "batch": outcome_exploration(answers, seen, one, form="batch"), "new_count": new}


def run_evol_rl(inputs: Case, params: Case) -> dict[str, Any]:
    wins = jnp.asarray(inputs["majority"]) == 1
    reward, novelty = evol_rl(numbers(inputs["embeddings"]), wins, jnp.zeros(len(wins), int))
    return {"raw_novelty": novelty, "reward": reward}


ADAPTERS = {
    "c_grpo": run_c_grpo,
    "trust_grpo": run_trust_grpo,
    "grpo_lambda": run_grpo_lambda,
    "verpo": run_verpo,
    "gardo": run_gardo,
    "srpo_progress": run_srpo,
    "ema_grpo": run_ema_grpo,
    "gdpo": run_gdpo,
    "dler_rfpp": run_dler,
    "hbpo": run_hbpo,
    "outcome_exploration": run_outcome_exploration,
    "evol_rl": run_evol_rl,
}
