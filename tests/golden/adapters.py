"""Golden adapters of gates, shaping, schedules and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from driver import Read, column, discounted, play, rollout
from run import NotCovered

from rewardax.wrappers import (
    ActionAdvice,
    Cosine,
    EpisodicCount,
    Exponential,
    GatedAccumulation,
    GlobalCount,
    Linear,
    Potential,
    Product,
    Schedule,
    Stepwise,
    chain,
)

Case = Mapping[str, Any]


def gra(inputs: Case, params: Case) -> dict[str, Any]:
    kinds = {"gated": _gated, "two_level": _two_level, "stream": _stream}
    if params["kind"] not in kinds:
        raise NotCovered(f"kind {params['kind']!r}")
    return kinds[params["kind"]](inputs, params)


def _channels(rewards: Any) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    table = np.asarray(rewards, float)
    names = tuple(f"r{k}" for k in range(table.shape[1]))
    return names, {name: table[:, k : k + 1] for k, name in enumerate(names)}


def _gate(names: tuple[str, ...], priority: Any, threshold: Any, params: Case, deliver: str) -> Any:
    gate = GatedAccumulation(
        components=names,
        priority=tuple(priority),
        thresholds=tuple(threshold),
        op=params.get("op", ">="),
        statistic=params.get("stat", "sum"),
        scope=params.get("scope", "episode"),
        deliver=deliver,
        on_truncation=params.get("on_truncation", "evaluate"),
    )
    return chain(**{name: Read(feature=name) for name in names}, gate=gate)


def _gated(inputs: Case, params: Case) -> dict[str, Any]:
    names, channels = _channels(inputs["rewards"])
    rows = len(inputs["rewards"])
    last = np.arange(rows)[:, None] == rows - 1
    cut = bool(params.get("truncated", False))
    data = rollout(rows, 1, terminated=last & (not cut), truncated=last & cut, next_features=channels)
    retro, _ = play(_gate(names, inputs["priority"], inputs["threshold"], params, "retro"), data)
    end, _ = play(_gate(names, inputs["priority"], inputs["threshold"], params, "end"), data)
    plain, _ = play(chain(**{name: Read(feature=name) for name in names}), data)
    gamma = params.get("gamma", 1.0)
    return {
        "open": np.stack([column(retro.metrics[f"{name}/open"]) for name in names], -1),
        "gated": np.stack([column(retro.components[name]) for name in names], -1),
        "per_step_retro": column(retro.total),
        "per_step_end": column(end.total),
        "direct": column(plain.total),
        "return_retro": discounted(column(retro.total), gamma),
        "return_end": discounted(column(end.total), gamma),
        "return_undiscounted": discounted(column(end.total), 1.0),
    }


def _two_level(inputs: Case, params: Case) -> dict[str, Any]:
    steps = np.asarray(inputs["step_rewards"], float)
    outcome = np.zeros_like(steps)
    outcome[-1] = params["outcome_values"][inputs["status"]]
    got = _gated(
        {
            "rewards": np.stack([outcome, steps], -1),
            "priority": (1, 0),
            "threshold": (params["threshold"], None),
        },
        params,
    )
    return {
        "gate_open": got["open"][-1, 1],
        "gated_step": got["gated"][:, 1],
        "per_step_end": got["per_step_end"],
        "total": got["return_undiscounted"],
    }


def _stream(inputs: Case, params: Case) -> dict[str, Any]:
    names, channels = _channels(inputs["rewards"])
    ends = [np.asarray(inputs[flag], bool)[:, None] for flag in ("terminated", "truncated")]
    valid = np.ones_like(ends[0])
    if params["autoreset"] == "next_step":
        valid[1:] = ~(ends[0] | ends[1])[:-1]
    elif params["autoreset"] != "none":
        raise NotCovered(f"autoreset {params['autoreset']!r}")
    data = rollout(len(valid), 1, 0.0, *ends, valid=valid, next_features=channels)
    gate = _gate(names, inputs["priority"], inputs["threshold"], params, params.get("deliver", "end"))
    rewards, state = play(gate, data)
    return {"reward": column(rewards.total), "unpaid_rows_at_end": state.episode["gate"]["rows"][0]}


def pbrs(inputs: Case, params: Case) -> dict[str, Any]:
    kinds = {
        "stream": _pbrs_stream,
        "autoreset_next_step": _pbrs_autoreset,
        "autoreset_same_step": _pbrs_autoreset,
        "dynamic": _pbrs_dynamic,
    }
    if params["kind"] not in kinds:
        raise NotCovered(f"kind {params['kind']!r}")
    return kinds[params["kind"]](inputs, params)


def _shape(now: Any, ahead: Any, params: Case, **flags: Any) -> dict[str, Any]:
    now, ahead = (np.asarray(x, float)[:, None] for x in (now, ahead))
    data = rollout(len(now), 1, features={"phi": now}, next_features={"phi": ahead}, **flags)
    truncation = params.get("truncation", "bootstrap")
    rewards, _ = play(Potential(phi="phi", gamma=params["gamma"], truncation=truncation), data)
    return {"shaping": column(rewards.components["shaping"]), "shaped": column(rewards.total)}


def _flags(inputs: Case) -> dict[str, np.ndarray]:
    return {
        "reward": np.asarray(inputs["reward"], float)[:, None],
        "terminated": np.asarray(inputs["terminated"], bool)[:, None],
        "truncated": np.asarray(inputs["truncated"], bool)[:, None],
    }


def _pbrs_stream(inputs: Case, params: Case) -> dict[str, Any]:
    flags = _flags(inputs)
    out = _shape(inputs["phi"], inputs["phi_next"], params, **flags)
    ends = np.flatnonzero((flags["terminated"] | flags["truncated"])[:-1, 0]) + 1
    episodes = np.split(np.asarray(out["shaping"]), ends)
    return {**out, "episode_shaping_return": [discounted(e, params["gamma"]) for e in episodes]}


def _pbrs_autoreset(inputs: Case, params: Case) -> dict[str, Any]:
    flags = _flags(inputs)
    done = (flags["terminated"] | flags["truncated"])[:, 0]
    ahead = list(inputs["phi_obs"][1:])
    if params["kind"] == "autoreset_next_step":
        flags["valid"] = np.concatenate([[True], ~done[:-1]])[:, None]
    else:
        ahead = [final if end else value for end, final, value in zip(done, inputs["phi_final"], ahead, strict=True)]
    return _shape(inputs["phi_obs"][:-1], ahead, params, **flags)


def _pbrs_dynamic(inputs: Case, params: Case) -> dict[str, Any]:
    table, states = np.asarray(inputs["table"], float), np.asarray(inputs["states"])
    times = np.arange(len(states) - 1)
    last = (times == times[-1])[:, None]
    ended = bool(params["terminated"])
    newest = table[times + 1, states[:-1]]  # what the potential of the old state has become meanwhile
    ahead = table[times + 1, states[1:]]
    at_start = np.concatenate([[table[0, states[0]]], newest[1:]])
    stored = _shape(at_start, ahead, params, terminated=last & ended, truncated=last & (not ended))["shaping"]
    # without a memory: every step an environment of its own
    alone = rollout(
        1,
        len(times),
        terminated=(last & ended).T,
        truncated=(last & (not ended)).T,
        features={"phi": newest[None]},
        next_features={"phi": ahead[None]},
    )
    recomputed, _ = play(Potential(phi="phi", gamma=params["gamma"]), alone)
    return {
        "stored": stored,
        "recomputed": np.asarray(recomputed.components["shaping"])[0],
        "telescoped": discounted(stored, params["gamma"]),
    }


def pbrs_done(inputs: Case, params: Case) -> dict[str, Any]:
    phi, ahead = (np.asarray(inputs[name], float)[None] for name in ("phi", "phi_next"))
    data = rollout(
        1,
        phi.shape[1],
        reward=inputs["base"],
        terminated=np.asarray(inputs["done"], bool),
        features={"phi": phi},
        next_features={"phi": ahead},
    )
    return {"reward": play(Potential(phi="phi", gamma=params["gamma"]), data)[0].total[0]}


def pbrs_action_advice(inputs: Case, params: Case) -> dict[str, Any]:
    phi = np.asarray([*inputs["phi_sa"], inputs["phi_after_truncation"]], float)[:, None, None]
    rows = len(phi) - 1
    last = np.arange(rows)[:, None] == rows - 1
    ended = bool(params["terminated"])
    data = rollout(
        rows,
        1,
        terminated=last & ended,
        truncated=last & (not ended),
        features={"advice": phi[:-1]},
        next_features={"advice": phi[1:]},
    )
    out = {}
    for mode in ("lookahead", "lookback"):
        rewards, _ = play(ActionAdvice(gamma=params["gamma"], form=mode), data)
        out[mode] = column(rewards.components["advice"])
    q, advice = (np.asarray(inputs[name], float)[None] for name in ("q", "phi_actions"))
    return {**out, "greedy_action": int(ActionAdvice.greedy(q, advice)[0])}


def annealing(inputs: Case, params: Case) -> dict[str, Any]:
    start, end, total = (float(params[name]) for name in ("start", "end", "total"))
    curves = {
        "linear": (Linear(start, end, total), "steps"),
        "cosine": (Cosine(start, end, total), "steps"),
        "exponential": (Exponential(start, total), "steps"),
        "stepwise": (Stepwise(tuple(params["boundaries"]), tuple(params["values"])), "stepwise_steps"),
    }
    out = {}
    for name, (curve, steps) in curves.items():
        rewards, _ = play(Schedule(curve=curve), rollout(max(inputs[steps]) + 1, 1, reward=1.0))
        out[name] = np.asarray(column(rewards.components["task"]))[np.asarray(inputs[steps])]
    return out


def count_bonus(inputs: Case, params: Case) -> dict[str, Any]:
    keys, done, resets = (np.asarray(inputs[name]) for name in ("next_keys", "done", "reset_keys"))
    initial = np.concatenate([np.ones_like(done[:1]), done[:-1]])
    now = np.where(initial, resets[:-1], np.concatenate([resets[:1], keys[:-1]]))
    rows, envs = keys.shape
    data = rollout(rows, envs, truncated=done, features={"key": now}, next_features={"key": keys})
    common = {
        "num_keys": params["num_keys"],
        "feature": "key",
        "count_reset_obs": params["count_reset_obs"],
    }
    episodic, everywhere = EpisodicCount(**common), GlobalCount(**common, component="global")
    first = episodic.replace(first_visit=True)
    product = Product(chain(first=first, everywhere=everywhere))
    terms = {
        "episodic_count": episodic.replace(exponent=-1.0),
        "global_count": everywhere.replace(exponent=-1.0),
        "episodic_bonus": episodic,
        "global_bonus": everywhere,
        "first_visit": first,
        "first_visit_times_global": product,
        "episodic_power3": episodic.replace(exponent=3.0),
    }
    return {name: play(term, data)[0].components[term.component] for name, term in terms.items()}


ADAPTERS = {
    "gra": gra,
    "pbrs": pbrs,
    "pbrs_done": pbrs_done,
    "pbrs_action_advice": pbrs_action_advice,
    "annealing": annealing,
    "count_bonus": count_bonus,
}
