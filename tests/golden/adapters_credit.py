"""Golden adapters of reward machines, step scores, progress, turning points, plans, beliefs and min-form credit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from driver import Read, column, play, rollout
from run import NotCovered

from rewardax.wrappers import (
    PAV,
    VSRM,
    ClipDelta,
    HopProgress,
    InformationGain,
    MinForm,
    RewardMachine,
    SignedSum,
    SpanReward,
    TurningPoints,
    chain,
    igpo,
    subgoal_bonus,
)
from rewardax.wrappers.credit.belief import igpo_paper, igpo_released, spae_advantages, spae_potential
from rewardax.wrappers.credit.min_form import leave_one_out, pure_returns, soft_min_weights
from rewardax.wrappers.credit.plans import call_similarity, match_advantages, match_rewards, verdict_metrics
from rewardax.wrappers.credit.progress import best_of, hop_progress
from rewardax.wrappers.credit.step_scores import whiten_released
from rewardax.wrappers.groups.statistics import whiten
from rewardax.wrappers.shaping.machines import parse

Case = Mapping[str, Any]


def last_row(rows: int) -> np.ndarray:
    return np.arange(rows)[:, None] == rows - 1


def features(**values: Any) -> dict[str, dict[str, np.ndarray]]:
    """Features [T, N, ...] of o_t and o_{t+1} from values at T + 1 moments."""
    columns = {name: np.asarray(column) for name, column in values.items()}
    return {
        "features": {name: column[:-1] for name, column in columns.items()},
        "next_features": {name: column[1:] for name, column in columns.items()},
    }


def reward_machine_shaping(inputs: Case, params: Case) -> dict[str, Any]:
    edges = tuple((u, after, formula, float(reward)) for u, after, formula, reward in inputs["transitions"])
    steps = inputs["steps"]
    letters = sorted(
        {name for edge in edges for name in parse(edge[2])[1]} | {x for step in steps for x in step["props"]}
    )
    machine = RewardMachine(
        transitions=edges,
        propositions=tuple(letters),
        terminal=tuple(inputs["terminal"]),
        initial=inputs["initial"],
        gamma=params["gamma"],
        rs_gamma=params["rs_gamma"],
        sign=-1.0,
        unmatched="terminal",
    )
    bits = np.asarray([[[letter in step["props"] for letter in letters]] for step in steps])
    ended = np.asarray([[step["env_done"]] for step in steps], bool)
    data = rollout(len(steps), 1, terminated=ended, next_features={"events": bits})
    released, goal = (play(machine.replace(sign=sign), data)[0] for sign in (-1.0, 1.0))
    return {
        "potentials": {str(u): -value for u, value in machine.values.items()},
        "rewards": column(released.total),
        "rewards_plus": column(goal.total),
        "states": [int(x) for x in column(released.metrics["machine/state"])],
    }


def clip_delta(inputs: Case, params: Case) -> dict[str, Any]:
    scores = np.asarray(inputs["step_scores"], float)[:, None]
    last = last_row(len(scores))
    data = rollout(len(scores), 1, reward=last * float(inputs["success"]), terminated=last, next_features={"x": scores})
    out: dict[str, Any] = {}
    for name, clip, delta in (("clip", True, False), ("delta", False, True), ("clip_delta", True, True)):
        for key, alpha in ((name, 1.0), (f"total_{name}", params["alpha"])):
            term = ClipDelta(component="x", clip=clip, delta=delta, eta=params["eta"], alpha=alpha)
            rewards, _ = play(chain(scores=Read(feature="x"), term=term), data)
            out[key] = column(rewards.components["x"] if key == name else rewards.total)
    return {**out, "sum_to_go_delta": np.cumsum(out["delta"][::-1])[::-1]}


def pav(inputs: Case, params: Case) -> dict[str, Any]:
    values = np.asarray(inputs["values"], float)[:, None]
    rows = len(values) - 1
    last = last_row(rows)
    data = rollout(rows, 1, reward=last * float(inputs["outcome"]), terminated=last, **features(progress=values))
    term = PAV(alpha=params["alpha"], best_of=float(params["best_of"]))
    return {
        "prover_values": best_of(jnp.asarray(values[:, 0]), params["best_of"]),
        "progress": column(play(term.replace(alpha=1.0), data)[0].components["prover"]),
        "rewards": column(play(term, data)[0].total),
    }


def robo_dopamine(inputs: Case, params: Case) -> dict[str, Any]:
    hops = np.asarray(inputs["hops"], float)[:, None]
    data = rollout(len(hops), 1, truncated=last_row(len(hops)), next_features={"hop": hops})
    term = HopProgress(
        gamma=params["gamma"], tolerance=params["gold_tol"], sharpness=params["alpha"], eps=params["eps"]
    )
    rewards, _ = play(term, data)
    forward, backward, _ = hop_progress(jnp.asarray(hops), data, params["alpha"], params["eps"])
    return {
        "forward": column(forward),
        "backward": column(backward),
        "fused": column(rewards.metrics["hop/progress"]),
        "gold": column(rewards.components["hop_gold"]),
        "shaped": column(rewards.total),
    }


def vsrm(inputs: Case, params: Case) -> dict[str, Any]:
    rates = np.asarray(inputs["acc"], float)[:, None]
    rows = len(rates) - 1
    term = VSRM(gamma=params["gamma"], look_ahead=params["max_lookahead"], tolerance=params["tol"], keep_last=True)
    data = rollout(rows, 1, terminated=last_row(rows), **features(progress=rates))
    return {"step_rewards": column(play(term, data)[0].components["stepwise"])}


def turning_point_reward(inputs: Case, params: Case) -> dict[str, Any]:
    values, final = np.asarray(inputs["values"], float).T, np.asarray(inputs["final"], float)
    rows, episodes = len(values) - 1, len(final)
    last = last_row(rows)
    data = rollout(rows, episodes, reward=last * final, terminated=last, **features(progress=values))
    rewards, _ = play(TurningPoints(final="return", **params), data)
    return {
        "rewards": rewards.components["turning"].T,
        "turning_point": rewards.metrics["turning/turning"].T,
    }


def tp_grpo(inputs: Case, params: Case) -> dict[str, Any]:
    values = np.asarray(inputs["potential"], float)[:, None]
    rows = len(values) - 1
    data = rollout(rows, 1, terminated=last_row(rows), **features(progress=values))
    first = {"first_step_bonus": params["first_step_counts"], "bonus_from_prefix": True}
    added, replaced = (
        play(TurningPoints(eta=params["eta"], drop_main=drop, **first), data)[0] for drop in (False, True)
    )
    plain, _ = play(TurningPoints(eta=0.0), data)
    return {
        "increments": column(plain.components["turning"]),
        "turning": column(added.metrics["turning/turning"]),
        "aggregated": values[-1, 0] - values[:-1, 0],
        "reward_replaced": column(replaced.components["turning"]),
        "reward_added": column(added.components["turning"]),
    }


def bipartite_match(inputs: Case, params: Case) -> dict[str, Any]:
    if params["kind"] != "match":
        raise NotCovered(f"kind {params['kind']!r}")
    predicted, reference = (
        [(item["name"], tuple(item["args"].items())) for item in inputs[name]] for name in ("predicted", "reference")
    )
    similarity = call_similarity(predicted, reference)
    assignment = params.get("assignment", "greedy")
    return {"similarity": similarity, "rewards": match_rewards(similarity, assignment, params["unmatched"])}


def matchtir(inputs: Case, params: Case) -> dict[str, Any]:
    settings = (params["turn_gamma"], params["eps"], params["ddof"])
    found = match_advantages(*_steps(inputs, "turn_rewards"), *settings)
    return dict(zip(("trajectory_adv", "turn_adv", "advantages"), found, strict=True))


def information_gain(inputs: Case, params: Case) -> dict[str, Any]:
    beliefs = np.asarray(inputs["beliefs"], float)[:, None]
    data = rollout(len(beliefs) - 1, 1, **features(belief=beliefs))
    initial = rollout(1, 1, **features(belief=np.stack([beliefs[0], beliefs[0]])))
    nats, _ = play(InformationGain(), data)
    bits, _ = play(InformationGain(scale=1 / np.log(2)), data)
    first, _ = play(InformationGain(), initial)
    gains, advantage = igpo_paper(
        jnp.asarray(inputs["mean_logprob_truth"], float),
        jnp.asarray(inputs["outcome"], float),
        gamma=params["gamma"],
        eps=params["eps"],
    )
    return {
        "entropy_nats": column(first.metrics["information/entropy"]) + column(nats.metrics["information/entropy"]),
        "entropy_gain": column(nats.components["information"]),
        "entropy_gain_bits": column(bits.components["information"]),
        "igpo_raw": gains,
        "igpo_advantage": advantage,
    }


def igpo_(inputs: Case, params: Case) -> dict[str, Any]:
    if "belief_in_truth" in inputs:
        belief = np.asarray(inputs["belief_in_truth"], float).T
        data = rollout(*(np.subtract(belief.shape, (1, 0))), **features(p=belief))
        return {"rewards": play(igpo("p"), data)[0].components["information"].T}
    return {"advantages": igpo_released(*_steps(inputs, "step_rewards"), params["gamma"])}


def _steps(inputs: Case, name: str) -> tuple[Any, Any, Any]:
    values, mask = jnp.asarray(inputs[name], float), jnp.asarray(inputs["mask"], bool)
    return values, mask, jnp.asarray(np.unique(inputs["group_id"], return_inverse=True)[1])


_FORMS = {"gamma-decay (gamma=1)": "sum", "strict min-form": "strict", "approximate min-form": "soft"}


def pure(inputs: Case, params: Case) -> dict[str, Any]:
    if params["credit"] not in _FORMS:
        raise NotCovered(f"credit {params['credit']!r}")
    form, temperature = _FORMS[params["credit"]], params["temperature"]
    rewards, mask, group = _steps(inputs, "process_rewards")
    out: dict[str, Any] = {"soft_min_weights": None, "transformed_rewards": np.where(mask, rewards, 0)}
    if form == "soft":
        out["soft_min_weights"] = soft_min_weights(rewards, mask, temperature)
        valid = np.asarray(mask).T
        last = valid & ~np.concatenate([valid[1:], np.zeros_like(valid[:1])])
        data = rollout(*valid.shape, reward=np.asarray(rewards).T, valid=valid, terminated=last)
        out["transformed_rewards"] = play(MinForm(temperature=temperature), data)[0].components["task"].T
    for name, released in (("official", True), ("masked", False)):
        returns = pure_returns(rewards, mask, form, temperature, released)
        out[f"{name}_returns"] = returns
        out[f"{name}_advantages"] = leave_one_out(returns, mask, group, released)
    return {**out, "official_advantages_whitened": whiten(out["official_advantages"], mask)}


def spae(inputs: Case, params: Case) -> dict[str, Any]:
    lengths = [len(row) for row in inputs["acc"]]
    mask = np.arange(max(lengths))[None] < np.asarray(lengths)[:, None]
    accuracy, confidence = np.zeros(mask.shape), np.zeros(mask.shape)
    for i, n in enumerate(lengths):
        accuracy[i, :n], confidence[i, :n] = inputs["acc"][i], inputs["conf"][i]
    potential = spae_potential(jnp.asarray(accuracy), jnp.asarray(confidence))
    group = jnp.asarray(np.unique(inputs["group"], return_inverse=True)[1])
    outcome = jnp.asarray(inputs["outcome"], float)
    settings = [params[name] for name in ("alpha", "xi", "eps_sat", "eps")]
    found = spae_advantages(potential, jnp.asarray(mask), outcome, group, *settings)
    return {
        name: [np.asarray(row)[:n].tolist() for row, n in zip(values, lengths, strict=True)]
        for name, values in zip(("potential", "raw", "advantages"), (potential, *found), strict=True)
    }


def subgoal_reward(inputs: Case, params: Case) -> dict[str, Any]:
    verdict, done = np.asarray(inputs["verdict"], bool), np.asarray(inputs["done"], bool)
    data = rollout(*done.shape, terminated=done, next_features={"verdicts": verdict})
    once, unlimited = (
        play(subgoal_bonus(params["weights"], once=once), data)[0].components["subgoals"] for once in (True, False)
    )
    metrics = verdict_metrics(verdict, np.asarray(inputs["truth"], bool))
    return {"reward_once_per_episode": once, "reward_unlimited": unlimited, **metrics}


def finegrained_assign(inputs: Case, params: Case) -> dict[str, Any]:
    rows = int(inputs["length"])

    def spans(pairs: Any, verdicts: Any) -> tuple[np.ndarray, np.ndarray]:
        score, ends = np.full((rows, 1), 0.5), np.zeros((rows, 1), bool)  # 0.5: no verdict
        for (_, end), verdict in zip(pairs, verdicts, strict=True):
            score[end - 1], ends[end - 1] = verdict, True
        return score, ends

    relevant, sub_ends = spans(inputs["sub_spans"], inputs["relevance_ok"])
    factual, sentence_ends = spans(inputs["sentence_spans"], inputs["factual_ok"])
    given = {
        "relevant": relevant,
        "sub_ends": sub_ends,
        "factual": factual,
        "sentence_ends": sentence_ends,
        "complete": np.full((rows, 1), float(inputs["completeness_score"])),
    }
    binary = {"centre": 0.5, "spread": 0.5}
    terms = chain(
        relevance=SpanReward(
            feature="relevant", ends_feature="sub_ends", scale=params["relevance"], component="a", **binary
        ),
        factuality=SpanReward(
            feature="factual", ends_feature="sentence_ends", scale=params["factuality"], component="b", **binary
        ),
        completeness=SpanReward(
            feature="complete",
            scale=params["completeness"],
            center=params["mean"],
            spread=params["std"],
            component="c",
        ),
    )
    data = rollout(rows, 1, terminated=last_row(rows), next_features=given)
    return {"token_reward": column(play(terms, data)[0].total)}


def finegrained_whiten(inputs: Case, params: Case) -> dict[str, Any]:
    values, mask = jnp.asarray(inputs["values"], float), jnp.asarray(inputs["mask"], bool)
    return {
        name: whiten_released(values, mask, params["shift_mean"], released)
        for name, released in (("released", True), ("textbook", False))
    }


def auto_mc_reward(inputs: Case, params: Case) -> dict[str, Any]:
    values = {name: np.asarray(inputs[name], float)[:, None] for name in ("sparse", "dense")}
    scales = {name: params[f"{name}_scale"] for name in values}
    data = rollout(len(values["dense"]), 1, next_features=values)
    term = chain(sparse=Read(feature="sparse"), dense=Read(feature="dense"), signs=SignedSum(scales))
    return {"reward": column(play(term, data)[0].total)}


ADAPTERS = {
    "reward_machine_shaping": reward_machine_shaping,
    "clip_delta": clip_delta,
    "pav": pav,
    "robo_dopamine": robo_dopamine,
    "vsrm": vsrm,
    "turning_point_reward": turning_point_reward,
    "tp_grpo": tp_grpo,
    "bipartite_match": bipartite_match,
    "matchtir": matchtir,
    "information_gain": information_gain,
    "igpo": igpo_,
    "pure": pure,
    "spae": spae,
    "subgoal_reward": subgoal_reward,
    "finegrained_assign": finegrained_assign,
    "finegrained_whiten": finegrained_whiten,
    "auto_mc_reward": auto_mc_reward,
}
