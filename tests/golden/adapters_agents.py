"""Golden adapters of advantages and losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from run import NotCovered

from rewardax.agents.advantages import gae as estimate
from rewardax.agents.advantages import shift_values
from rewardax.agents.distributions import entropy, mask_logits
from rewardax.agents.losses import aggregate, clipped_policy_loss, kl_estimate, normalize, value_loss

Case = Mapping[str, Any]


def gae(inputs: Case, params: Case) -> dict[str, Any]:
    rewards, values, bootstrap = (jnp.asarray(inputs[name], float) for name in ("rewards", "values", "bootstrap_value"))
    terminated, truncated = (jnp.asarray(inputs[name]) > 0 for name in ("terminated", "truncated"))
    mode = params.get("autoreset")
    if mode not in (None, "same_step", "next_step"):
        raise NotCovered(f"autoreset {mode!r}")
    final = jnp.asarray(inputs["final_values"], float) if "final_values" in inputs else None
    ahead = shift_values(values, bootstrap, truncated, final)
    factors = (params["gamma"], params["gae_lambda"])
    advantages, targets = estimate(rewards, values, ahead, terminated, truncated, *factors)
    cut = truncated & ~terminated
    wrong, _ = estimate(rewards, values, ahead, terminated | cut, jnp.zeros_like(cut), *factors)
    valid = jnp.ones_like(terminated)
    if mode == "next_step":
        valid = valid.at[1:].set(~(terminated | truncated)[:-1])
    return {
        "advantages": advantages,
        "returns": targets,
        "advantages_if_truncation_wrongly_treated_as_termination": wrong,
        "valid_mask": valid.astype(float),
        "advantages_where_valid": jnp.where(valid, advantages, 0),
        "returns_where_valid": jnp.where(valid, targets, 0),
    }


def ppo_loss(inputs: Case, params: Case) -> dict[str, Any]:
    kinds = {
        "clip_low": _policy,
        "clip": _value,
        "kind": _kl,
        "fill": _masked,
        "eps": _normalization,
    }
    kind = next((kinds[name] for name in kinds if name in params), None)
    if kind is None:
        raise NotCovered(f"parameters {sorted(params)}")
    return kind(inputs, params)


def _policy(inputs: Case, params: Case) -> dict[str, Any]:
    old, new, advantages, mask = (
        jnp.asarray(inputs[name], float) for name in ("old_logp", "logp", "advantages", "mask")
    )

    def loss(logp: jax.Array) -> jax.Array:
        clips = (params["clip_low"], params["clip_high"], params["dual_clip_c"])
        return aggregate(clipped_policy_loss(logp, old, advantages, *clips), mask, params["agg"])

    value, gradient = jax.value_and_grad(loss)(new)
    return {"loss": float(value), "grad_wrt_logp": gradient}


def _value(inputs: Case, params: Case) -> dict[str, Any]:
    new, old, returns, mask = (
        jnp.asarray(inputs[name], float) for name in ("values_new", "values_old", "returns", "mask")
    )
    return {
        "loss": float(aggregate(value_loss(new, returns, old, params["clip"]), mask)),
        "loss_unclipped": float(aggregate(value_loss(new, returns), mask)),
    }


def _kl(inputs: Case, params: Case) -> dict[str, Any]:
    logp, ref = (jnp.asarray(inputs[name], float) for name in ("logp", "ref_logp"))
    return {"kl": kl_estimate(logp, ref, params["kind"])}


def _masked(inputs: Case, params: Case) -> dict[str, Any]:
    allowed = jnp.asarray(inputs["action_mask"]) > 0
    logits = mask_logits(jnp.asarray(inputs["logits"], float), allowed)
    logp = jax.nn.log_softmax(logits)
    return {
        "probs": jax.nn.softmax(logits),
        "logp_of_allowed": jnp.where(allowed, logp, 0),
        "entropy": entropy(logits, allowed),
    }


def _normalization(inputs: Case, params: Case) -> dict[str, Any]:
    advantages = jnp.asarray(np.asarray(inputs["advantages"], float))
    return {
        "torch_style_ddof1": normalize(advantages, eps=params["eps"], ddof=1),
        "jax_style_ddof0": normalize(advantages, eps=params["eps"], ddof=0),
    }


ADAPTERS = {"gae": gae, "ppo_loss": ppo_loss}
