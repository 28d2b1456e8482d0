"""Golden adapters of gates, outcome rewards, scalarizations, relative rewards, ensembles and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from driver import Read, begin, column, play, proceed, rollout

from rewardax.wrappers import (
    CaRL,
    ConcisenessReward,
    Ensemble,
    ExpressionReward,
    Gate,
    Lagrangian,
    MedianLogistic,
    ReNorm,
    Scalarize,
    SoftGate,
    SweetSpot,
    UncertaintyWeight,
    chain,
)
from rewardax.wrappers.algebra.expression import expression_value
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.multi.lagrangian import mix_advantages, multipliers
from rewardax.wrappers.multi.relative import calibrate, uncertain_loss
from rewardax.wrappers.multi.scalarize import krc_distance, lexicographic_rank, nondominated

Case = Mapping[str, Any]


def _together(names: Any, last: RewardTransform) -> RewardTransform:
    """``last`` behind the recorded channels; the environment itself pays nothing."""
    return chain(**{name: Read(feature=name) for name in names}, last=last)


def _one_step(names: Any, columns: Any, last: RewardTransform) -> Any:
    """Every column [K, N] a channel; each environment takes one step, with which its episode ends."""
    columns = np.asarray(columns, float)
    features = {name: row[None] for name, row in zip(names, columns, strict=True)}
    data = rollout(1, columns.shape[1], terminated=True, next_features=features)
    return play(_together(names, last), data)[0]


def level_gate(inputs: Case, params: Case) -> dict[str, Any]:
    levels = np.asarray(inputs["levels"], float)[:, None]
    names = tuple(f"level{k}" for k in range(len(levels)))
    gate = Gate(components=names, tau=tuple(params["tau"]), weights=tuple(params["weights"]), scope="episode")
    out = _one_step(names, levels, gate)
    return {"open": [out.metrics[f"{name}/open"][0, 0] for name in names], "reward": out.total[0, 0]}


def searchllm_gate(inputs: Case, params: Case) -> dict[str, Any]:
    bottom = tuple(f"s{k}" for k in range(len(inputs["bottom"])))
    utility = tuple(f"u{k}" for k in range(len(inputs["utility"])))
    gate = SoftGate(bottom, utility, tuple(inputs["weights"]), delta=params["delta"], scope="episode")
    values = np.asarray([*inputs["bottom"], *inputs["utility"]], float)[:, None]
    out = _one_step(bottom + utility, values, gate)
    return {"gate": out.metrics["u0/bottom_line"][0, 0], "reward": out.total[0, 0]}


def carl(inputs: Case, params: Case) -> dict[str, Any]:
    given = {name: np.asarray(inputs[name], float)[:, None] for name in ("progress", "offroute", "excess", "event")}
    rows = len(given["progress"])
    before = {name: np.concatenate([np.zeros((1, 1)), values[:-1]]) for name, values in given.items()}
    reward = CaRL(
        flags={"offroute": 0.0},
        events={"event": params["event_factor"]},
        hold=float(params["hold"]),
        excess_feature="excess",
        max_excess=params["max_excess"],
        infraction_feature=None,
        penalty=-params["terminal_reward"],
        hint=params.get("terminal_hint") or 0.0,
    )
    ended = np.arange(rows)[:, None] == inputs["terminated_at"]
    out, _ = play(reward, rollout(rows, 1, terminated=ended, features=before, next_features=given))
    return {"soft": column(out.metrics["carl/soft"]), "reward": column(out.total)}


def _endings(outcome: Any, score: Any, reward: RewardTransform) -> Any:
    """Each environment takes one step that ends its episode with this outcome and score."""
    features = {"score": np.asarray(score, float)[None]}
    data = rollout(1, len(outcome), reward=np.asarray(outcome, float), terminated=True, next_features=features)
    return play(reward, data)[0]


def crf(inputs: Case, params: Case) -> dict[str, Any]:
    reward = ConcisenessReward(score="score", alpha=params["alpha"], anneal=params["s"], difficulty=params["d"])
    return {"reward": _endings(inputs["outcome"], inputs["conciseness"], reward).total[0]}


def ssl_tiers(inputs: Case, params: Case) -> dict[str, Any]:
    gate = bool(params.get("gate_on_success", False))
    reward = SweetSpot(score="score", edges=tuple(params["edges"]), alpha=params["alpha"], gate_on_success=gate)
    out = _endings(inputs["success"], inputs["score"], reward)
    return {"tier": out.metrics["tier/tier"][0], "reward": out.total[0]}


def ppr_renorm(inputs: Case, params: Case) -> dict[str, Any]:
    process = np.asarray(inputs["process"], float)[:, None]
    last = np.arange(len(process))[:, None] == len(process) - 1
    data = rollout(
        len(process), 1, reward=last * inputs["outcome"], terminated=last, next_features={"process": process}
    )
    return {"reward": column(play(_together(("process",), ReNorm()), data)[0].total)}


def scalarize(inputs: Case, params: Case) -> dict[str, Any]:
    values = np.asarray(inputs["rewards"], float)
    names = tuple(f"r{k}" for k in range(values.shape[1]))
    settings = {
        "linear": {"weights": tuple(params["weights"])},
        "weighted_geometric": {"weights": tuple(params["weights"]), "floor": params["floor"]},
        "chebyshev": {"weights": tuple(params["weights"]), "ideal": tuple(params["ideal"])},
        "direction": {"angle": float(params["angle"])},
    }
    if len(names) != 2:
        del settings["direction"]
    join = {kind: Scalarize(names, kind, scope="episode", **given) for kind, given in settings.items()}
    return {
        **{kind: _one_step(names, values.T, reward).total[0] for kind, reward in join.items()},
        "nondominated": nondominated(jnp.asarray(values)),
        "lexicographic_rank": lexicographic_rank(jnp.asarray(values), jnp.asarray(params["margin"], float)),
    }


def krc(inputs: Case, params: Case) -> dict[str, Any]:
    values = np.asarray(inputs["components"], float)
    names = tuple(f"r{k}" for k in range(values.shape[1]))
    distance = jnp.asarray(inputs["distance"], float)
    return {
        "krc": _one_step(names, values.T, Scalarize(names, "krc")).total[0],
        "distance_shape": krc_distance(distance, params["c_d"], params["w_dis"], params["w_den"]),
    }


def log_sigmoid_centered(inputs: Case, params: Case) -> dict[str, Any]:
    values = np.asarray(inputs["rewards"], float)
    names = tuple(f"r{k}" for k in range(values.shape[1]))
    join = Scalarize(names, "log_sigmoid", ideal=tuple(inputs["ref"]), lowest=-np.inf)
    each = _one_step(names, values.T, join)
    return {
        "per_reward": np.stack([each.components[name][0] for name in names], -1),
        "combined": _one_step(names, values.T, join.replace(weights=tuple(params["weights"]))).total[0],
    }


def median_logistic(inputs: Case, params: Case) -> dict[str, Any]:
    tasks = sorted(inputs["calibration"])
    medians, spread = calibrate([inputs["calibration"][task] for task in tasks])
    given = params.get("scale") or dict(zip(tasks, spread, strict=True))
    scales = tuple(float(given[task] if isinstance(given, Mapping) else given) for task in tasks)
    number = np.asarray([[tasks.index(task) for task in inputs["task"]]])
    data = rollout(1, number.size, reward=inputs["reward"], terminated=True, next_features={"task_id": number})
    return {"mapped": play(MedianLogistic(medians=medians, scales=scales), data)[0].total[0]}


def uncertainty_weight(inputs: Case, params: Case) -> dict[str, Any]:
    divergence = np.asarray(inputs["divergence"], float)
    data = rollout(1, divergence.size, reward=inputs["reward"], next_features={"predictions": divergence[None]})
    out, _ = play(UncertaintyWeight(scale=params["scale"]), data)
    loss = uncertain_loss(jnp.asarray(inputs["base_loss"], float), out.metrics["task/uncertainty"][0])
    return {"loss": loss, "weighted_reward": out.total[0]}


def reward_ensemble(inputs: Case, params: Case) -> dict[str, Any]:
    scores = np.asarray(inputs["scores"], float).T
    data = rollout(1, len(scores), next_features={"scores": scores[None]})

    def total_reward(ddof: int) -> Any:
        ensemble = Ensemble(feature="scores", form=params["objective"].lower(), coeff=params["coeff"], ddof=ddof)
        return play(ensemble, data)[0].total[0]

    return {"ddof1": total_reward(1), "ddof0": total_reward(0)}


def constrained_lagrangian(inputs: Case, params: Case) -> dict[str, Any]:
    names = tuple(f"r{k}" for k in range(len(inputs["thresholds"])))
    limit = Lagrangian(
        components=names,
        thresholds=tuple(inputs["thresholds"]),
        squash=params["squash"],
        learning_rate=params["lr"],
        momentum=params["momentum"],
        max_grad_norm=params["max_grad_norm"],
    )
    start, state, path = jnp.asarray(inputs["lagrange"], float), None, []
    reward = _together(names, limit)
    for batch in inputs["returns"]:
        returns = np.asarray(batch, float)
        features = {name: returns[None, :, k] for k, name in enumerate(names)}
        data = rollout(1, len(returns), terminated=True, next_features=features)
        if state is None:
            state = begin(reward, data)
            state = state._replace(shared={**state.shared, "last": {**state.shared["last"], "lagrange": start}})
        _, state = proceed(reward, state, data)
        path.append(state.shared["last"]["lagrange"].tolist())
    base, parts = (
        jnp.asarray(inputs[f"{name}_advantage{s}"], float) for name, s in (("task", ""), ("constraint", "s"))
    )
    mixed = mix_advantages(base, parts, multipliers(start, params["squash"]), params["eps"], params["ddof"])
    return {"mixed": mixed, "lagrange_after": path}


def expression_reward(inputs: Case, params: Case) -> dict[str, Any]:
    satisfied = np.asarray(inputs["satisfied"]) > 0
    if expression_value(params["expression"], jnp.asarray(satisfied)) is None:
        return {"value": None}
    data = rollout(1, 1, terminated=True, next_features={"subgoals": satisfied[None, None]})
    return {"value": play(ExpressionReward(params["expression"]), data)[0].total[0, 0]}


ADAPTERS = {
    "level_gate": level_gate,
    "searchllm_gate": searchllm_gate,
    "carl": carl,
    "crf": crf,
    "ssl_tiers": ssl_tiers,
    "ppr_renorm": ppr_renorm,
    "scalarise": scalarize,
    "krc": krc,
    "log_sigmoid_centered": log_sigmoid_centered,
    "median_logistic": median_logistic,
    "uncertainty_weight": uncertainty_weight,
    "reward_ensemble": reward_ensemble,
    "constrained_lagrangian": constrained_lagrangian,
    "expression_reward": expression_reward,
}
