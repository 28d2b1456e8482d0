"""Golden adapters of preferences, teachers, learned and implicit rewards, and reward-model benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.analysis.judging.benchmarks import (
    best_of_credit,
    fused_reward,
    hull_vertices,
    instruction_consistency,
    one_against_many,
    response_consistency,
    step_aggregates,
    ties_score,
)
from rewardax.wrappers import ScriptedTeacher, heron_labels, heron_loss, heron_margins
from rewardax.wrappers.learned.implicit import bound_returns, contrast_loss, outcome_loss, pair_loss, step_rewards
from rewardax.wrappers.learned.istar import istar_advantages, istar_loss
from rewardax.wrappers.learned.mixtures import gaussian_kl, mixture_nll, pal_logit
from rewardax.wrappers.learned.preferences import log_preference, preference_accuracy, preference_loss
from rewardax.wrappers.learned.similarity import goal_similarity

Case = Mapping[str, Any]


def _floats(inputs: Case, *names: str) -> list[jax.Array]:
    return [jnp.asarray(np.asarray(inputs[name], float)) for name in names]


def preference_losses(inputs: Case, params: Case) -> dict[str, Any]:
    first, second, target = _floats(inputs, "r_a", "r_b", "label_a_preferred")
    one, smoothing = jnp.ones_like(first), params.get("label_smoothing", 0.0)
    out = {
        "bt_soft": preference_loss(first, second, target),
        "bt_soft_grad_a": jax.grad(lambda a: preference_loss(a, second, target).sum())(first),
        "bt_smoothed": preference_loss(first, second, target, smoothing=smoothing),
        "bt_win_tie": preference_loss(first, second, target, tie_weight=2.0),
        "accuracy_ties_half": preference_accuracy(first, second, target),
    }
    if "strength" in inputs:
        (strength,) = _floats(inputs, "strength")
        out["bt_scaled_chosen_a"] = preference_loss(first, second, one, strength=strength)
        out["bt_margin_strength_chosen_a"] = preference_loss(first, second, one, margin=strength)
    if "margin" in inputs:
        (margin,) = _floats(inputs, "margin")
        out["bt_margin_chosen_a"] = preference_loss(first, second, one, margin=margin)
    if "segment_a" in inputs:
        first, second = (x.sum(-1) for x in _floats(inputs, "segment_a", "segment_b"))
        noise, clip = params.get("noise_prob", 0.0), params.get("diff_clip")
        out["segment_prob_a"] = jnp.exp(log_preference(first - second))
        out["segment_prob_a_noisy"] = jnp.exp(log_preference(first - second, noise, clip))
        out["segment_loss_noisy"] = preference_loss(first, second, target, noise=noise, clip=clip)
    return out


def scripted_teacher(inputs: Case, params: Case) -> dict[str, Any]:
    evidence = jnp.stack(_floats(inputs, "segment_rewards_1", "segment_rewards_2"), 1)[..., None]
    faults = {name: params.get(name, 0.0) for name in ("skip_threshold", "equal_threshold")}
    teacher = ScriptedTeacher(gamma=params.get("gamma", 1.0), **faults)
    mask = jnp.ones(evidence.shape[:-1], bool)
    verdict = jax.jit(ScriptedTeacher.compare)(teacher, jax.random.key(0), evidence, mask)
    kept = np.flatnonzero(verdict.kept)
    label = {1.0: 0, 0.0: 1, 0.5: -1}
    out = {"kept": kept, "labels_second_preferred": [label[float(t)] for t in np.asarray(verdict.target)[kept]]}
    if "beta" in params:
        _, myopic = teacher.sums(evidence, mask)
        chance = teacher.replace(temperature=1 / params["beta"]).chance(myopic[:, 0], myopic[:, 1])
        out["prob_second_beta"] = np.asarray(chance)[kept]
    return out


def heron_label_matrix(inputs: Case, params: Case) -> dict[str, Any]:
    (factors,) = _floats(inputs, "features_in_importance_order")
    margins = heron_margins(factors, params["margin_multiplier"])
    label, level = heron_labels(factors, jnp.asarray(params["sign"], float), margins)
    return {"feature_std": heron_margins(factors), "label": label, "deciding_level": level}


def heron_preference(inputs: Case, params: Case) -> dict[str, Any]:
    factors, scores = _floats(inputs, "factors", "scores")
    margins = heron_margins(factors, params["margin_mult"], params.get("std_ddof", 1))
    label, _ = heron_labels(factors, jnp.ones(factors.shape[1]), margins)
    loss, accuracy = heron_loss(scores, label)
    return {"margins": margins, "label": label, "loss": loss, "accuracy": accuracy}


def implicit_prm(inputs: Case, params: Case) -> dict[str, Any]:
    beta = params["beta"]
    if "log_ratio_pos" in inputs:
        return {"loss": pair_loss(*_floats(inputs, "log_ratio_pos", "log_ratio_neg"), beta)}
    ratio, mask, success = _floats(inputs, "log_ratio", "mask", "success")
    steps = step_rewards(ratio, beta, mask)
    return {
        "step_rewards": steps,
        "ce_loss": outcome_loss(steps.sum(-1), success).mean(),
        "dpo_detached_loss": contrast_loss(steps.sum(-1), success).mean(),
        "prime_normalised": bound_returns(steps, mask),
    }


def istar(inputs: Case, params: Case) -> dict[str, Any]:
    group, episode = (jnp.asarray(np.unique(inputs[name], return_inverse=True)[1]) for name in ("group", "traj"))
    reward, score = _floats(inputs, "episode_reward", "step_score")
    weight = params.get("step_weight", 1.0)
    out = {
        form: istar_advantages(group, episode, reward, score, step_weight=weight, form=form, step_baseline="first")
        for form in ("rloo", "grpo_mean", "grpo_mean_std")
    }
    return {**out, "dpo_loss": istar_loss(group, episode, reward, score, params["beta"])}


def preference_mixtures(inputs: Case, params: Case) -> dict[str, Any]:
    first, second, prototypes, users = _floats(inputs, "item_a", "item_b", "prototypes", "user_logits")
    margins, mean, log_variance = _floats(inputs, "head_margins", "latent_mean", "latent_logvar")
    logit, loss = pal_logit(first, second, users, prototypes), mixture_nll(margins, users)
    return {
        "pal_logit_a": logit,
        "pal_prob_a": jnp.exp(log_preference(logit)),
        "mixture_likelihood": jnp.exp(-loss),
        "mixture_nll": loss,
        "vpl_kl": gaussian_kl(mean, log_variance),
    }


def reward_consistency(inputs: Case, params: Case) -> dict[str, Any]:
    fused, neighbors = fused_reward(
        inputs["query_embedding"],
        inputs["query_reward"],
        inputs["memory_embeddings"],
        inputs["memory_rewards"],
        params["top_k"],
        params["threshold"],
    )
    return {
        "neighbours": neighbors,
        "fused_reward": fused,
        "hull_vertices": hull_vertices(inputs["augmentation_embeddings"]),
        "response_consistency": response_consistency(inputs["cross_scores"]),
        "instruction_consistency": instruction_consistency(inputs["cross_scores"]),
    }


def reward_model_benchmarks(inputs: Case, params: Case) -> dict[str, Any]:
    many = [one_against_many(row["chosen"], row["rejected"]) for row in inputs["one_vs_many"]]
    return {
        "ties_overall": ties_score(inputs["ties_rows"]),
        "best_of_4_score": best_of_credit(inputs["best_of_4_scores_chosen_first"]),
        "one_vs_many_accuracy": [accuracy for accuracy, _ in many],
        "one_vs_many_mrr": [rank for _, rank in many],
        "step_aggregates": step_aggregates(inputs["step_scores"]),
    }


def vlm_rm(inputs: Case, params: Case) -> dict[str, Any]:
    arrays = _floats(inputs, "state_embeddings", "goal_embeddings", "baseline_embeddings")
    states, goals, _ = arrays
    mean = (goals / jnp.linalg.norm(goals, axis=-1, keepdims=True)).mean(0)
    out = {f"alpha_{alpha}": goal_similarity(*arrays, alpha) for alpha in params["alphas"]}
    return {**out, "cosine_to_goal": goal_similarity(states, mean[None], -mean[None], 0.0)}


ADAPTERS = {
    "preference_losses": preference_losses,
    "scripted_teacher": scripted_teacher,
    "heron_labels": heron_label_matrix,
    "heron_preference": heron_preference,
    "implicit_prm": implicit_prm,
    "istar": istar,
    "preference_mixtures": preference_mixtures,
    "reward_consistency": reward_consistency,
    "reward_model_benchmarks": reward_model_benchmarks,
    "vlm_rm": vlm_rm,
}
