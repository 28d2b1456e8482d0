"""Golden adapters of normalizers, redistribution, squashing, novelty and judged rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from driver import begin, column, play, proceed, rollout
from run import NotCovered

from rewardax.wrappers import (
    IRCR,
    Judged,
    Moments,
    Normalize,
    Rewards,
    Squash,
    UniformRedistribution,
    Weights,
    chain,
    motif,
    par_pipeline,
)
from rewardax.wrappers.bonuses.errors import disagreement, distributional_error, prediction_error
from rewardax.wrappers.credit.redistribution import corrected, decomposition_loss
from rewardax.wrappers.learned.networks import whiten

Case = Mapping[str, Any]


def rnd_normalization(inputs: Case, params: Case) -> dict[str, Any]:
    prior = [params[f"rms_initial_{name}"] for name in ("mean", "var", "count")]
    normalize = Normalize(component="task", of="return", gamma=params["gamma"], episodic=False, clock="rollout")
    rollouts = [np.asarray(r, float).T for r in inputs["rollouts_env_by_time"]]
    state, normalized, statistics = None, [], []
    for rewards in rollouts:
        done = np.zeros(rewards.shape, bool)
        done[len(rewards) // 2] = True  # must not matter
        data = rollout(*rewards.shape, reward=rewards, terminated=done)
        if state is None:
            state = begin(normalize, data)._replace(shared=Moments(*(jnp.asarray(float(x)) for x in prior)))
        out, state = proceed(normalize, state, data)
        normalized.append(np.asarray(out.components["task"]).T)
        statistics.append([float(x) for x in (state.shared.mean, state.shared.var, state.shared.count)])
    shape = (len(inputs["obs_batches"][0][0]),)
    mean, var, count = prior
    moments = Moments(jnp.full(shape, mean, float), jnp.full(shape, var, float), jnp.asarray(count, float))
    whitened = []
    for batch in inputs["obs_batches"]:
        x = jnp.asarray(batch, float)
        whitened.append(np.asarray(whiten(moments, x, params["obs_clip"])).tolist())
        moments = moments.merge(x, jnp.ones(len(x), bool))
    return {
        "normalised_rollouts": [r.tolist() for r in normalized],
        "reward_rms_mean_var_count": statistics,
        "whitened_obs": whitened,
        "obs_rms_mean": moments.mean,
        "obs_rms_var": moments.var,
    }


def redistribution(inputs: Case, params: Case) -> dict[str, Any]:
    lengths, returns = np.asarray(inputs["length"]), np.asarray(inputs["episode_return"], float)
    ends = np.cumsum(lengths) - 1
    rewards, done = np.zeros((lengths.sum(), 1)), np.zeros((lengths.sum(), 1), bool)
    rewards[ends, 0], done[ends, 0] = returns, True
    data = rollout(len(rewards), 1, reward=rewards, terminated=done)

    def episodes(transform: Any) -> list[list[float]]:
        values = column(play(transform, data)[0].components["task"])
        return [part.tolist() for part in np.split(np.asarray(values), ends[:-1] + 1)]

    mask = np.arange(lengths.max())[None] < lengths[:, None]
    predicted = np.zeros(mask.shape)
    for i, row in enumerate(inputs["predicted"]):
        predicted[i, : len(row)] = row
    arguments = (jnp.asarray(predicted), jnp.asarray(returns), jnp.asarray(mask))
    fixed = np.asarray(corrected(*arguments))
    return {
        "uniform": episodes(UniformRedistribution()),
        "ircr": episodes(IRCR()),
        "corrected": [fixed[i, :n].tolist() for i, n in enumerate(lengths)],
        "rd_loss": float(decomposition_loss(*arguments)),
        "mean_loss": float(decomposition_loss(*arguments, per_step=True)),
    }


_KINDS = {  # mode -> (kind of Squash, uses references)
    "par": ("sigmoid", True),
    "relative_tanh": ("tanh", True),
    "relative_arctan": ("arctan", True),
    "centered": ("linear", True),
    "lsc": ("log_sigmoid", True),
    "sigmoid": ("sigmoid", False),
    "tanh": ("tanh", False),
    "arctan": ("arctan", False),
}


def par_transforms(inputs: Case, params: Case) -> dict[str, Any]:
    mode = params["mode"]
    if mode in ("meanstd", "clip", "minmax"):
        return _running(inputs["batches"], mode)
    rewards = np.asarray(inputs["rewards"], float)
    refs = np.asarray([row[: params["max_ref"]] for row in inputs["refs"]], float)
    features = {"refs": refs[None]}
    if mode == "pipeline":
        features["lengths"] = np.asarray(inputs["lengths"], float)[None]
        term = par_pipeline(
            references_feature="refs",
            ceiling=params["ceil"],
            rate=params["len_penalty"],
            free=params["len_free"],
            length_feature="lengths",
            centered=params["centered"],
            scale=params["k"],
        )
    elif mode in _KINDS:
        kind, relative = _KINDS[mode]
        scale = 1.0 if kind in ("linear", "log_sigmoid") else params["k"]
        references = "refs" if relative else None
        term = Squash(form=kind, scale=scale, references_feature=references, quantile=params.get("percentile", 0.85))
    else:
        raise NotCovered(f"mode {mode!r}")
    data = rollout(1, len(rewards), reward=rewards, terminated=True, next_features=features)
    return {"shaped": play(term, data)[0].components["task"][0]}


def _running(batches: list[list[float]], form: str) -> dict[str, Any]:
    width = max(len(batch) for batch in batches)
    valid = np.asarray([[i < len(batch) for i in range(width)] for batch in batches])
    rewards = np.zeros(valid.shape)
    rewards[valid] = np.concatenate([np.asarray(batch, float) for batch in batches])
    data = rollout(*valid.shape, reward=rewards, valid=valid)
    values = np.asarray(play(Normalize(form=form, prior_count=0.0), data)[0].components["task"])
    return {"shaped": [row[keep].tolist() for row, keep in zip(values, valid, strict=True)]}


def prediction_error_bonus(inputs: Case, params: Case) -> dict[str, Any]:
    predicted, target, phi = (jnp.asarray(inputs[name], float) for name in ("pred", "target", "phi"))
    count = jnp.asarray(inputs["episodic_count_next"], float)
    mean, norm, total = (prediction_error(predicted, target, k) for k in ("mean_square", "norm", "sum_square"))
    first, second = distributional_error(predicted, jnp.asarray(inputs["drnd_targets"], float))
    alpha = params["drnd_alpha"]
    return {
        "rnd_mean_sq": mean,
        "rnd_l2_norm": norm,
        "rnd_sum_sq": total,
        "icm_official": params["icm_beta"] * 0.5 * params["icm_feature_factor"] * mean,
        "icm_eta_form": 0.5 * total,
        "ride": prediction_error(target, phi, "norm") / jnp.sqrt(count),
        "disagreement_var": disagreement(jnp.asarray(inputs["ensemble_pred"], float)),
        "drnd": alpha * first + (1 - alpha) * second,
        "drnd_first": first,
        "drnd_second": second,
    }


def llm_feedback_reward(inputs: Case, params: Case) -> dict[str, Any]:
    counts, exponent = np.asarray(inputs["episodic_message_count"]), float(params["count_exponent"])
    common = {"exponent": exponent, "scale": params["llm_coef"]}
    rank = {"mean": params["rank_mean"], "var": params["rank_var"], "threshold": params["rank_threshold"]}
    by_motif = motif(inputs["train_scores"], params["motif_quantile"], **common)
    forms = {
        "oni_hash": (Judged(**common), "hash_label"),
        "oni_classification": (
            Judged(form="class", threshold=params["class_threshold"], **common),
            "class_prob",
        ),
        "oni_ranking": (Judged(form="rank", **rank, **common), "rank_score"),
        "motif": (by_motif, "rank_score"),
    }
    out = {
        name: _judged(judged, np.asarray(inputs[labels], float), counts, inputs["extrinsic"], params["ext_coef"])
        for name, (judged, labels) in forms.items()
    }
    return {**out, "motif_threshold": by_motif.threshold}


def _judged(judged: Judged, labels: np.ndarray, counts: np.ndarray, extrinsic: Any, weight: float) -> np.ndarray:
    """Every cell is an environment of its own that meets its caption as often as the file says."""
    known, caption = np.unique(labels, return_inverse=True)
    caption, repeats = caption.reshape(-1) + 1, counts.reshape(-1)
    rows = repeats.max()
    shown = np.where(np.arange(rows)[:, None] >= rows - repeats[None], caption[None], 0)
    now = np.concatenate([np.zeros_like(shown[:1]), shown[:-1]])
    reward = np.zeros(shown.shape)
    reward[-1] = np.asarray(extrinsic, float).reshape(-1)
    features = {"features": {"caption_id": now}, "next_features": {"caption_id": shown}}
    data = rollout(*shown.shape, reward=reward, **features)
    term = chain(judge=judged.replace(num_captions=len(known) + 1), weights=Weights({"task": weight}))
    verdicts = {"judge": {"caption": np.arange(len(known)) + 1, "value": known}}
    _, state = term.learn(Rewards.open(data), begin(term, data), data, verdicts)
    rewards, _ = proceed(term, state, data)
    return np.asarray(rewards.total[-1]).reshape(labels.shape)


ADAPTERS = {
    "rnd_normalisation": rnd_normalization,
    "redistribution": redistribution,
    "par_transforms": par_transforms,
    "prediction_error_bonus": prediction_error_bonus,
    "llm_feedback_reward": llm_feedback_reward,
}
