"""Golden adapters of intrinsic bonuses: elliptical, novelty differences, and their combinations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from driver import Read, play, rollout

from rewardax.wrappers import E3B, EpisodicCount, GlobalCount, Product, Sum, chain
from rewardax.wrappers.counts import FORMS, visit_weight
from rewardax.wrappers.noveld import novelty_gain

Case = Mapping[str, Any]


def _follow(values: Any, done: np.ndarray) -> np.ndarray:
    """What o_t showed when o_{t+1} shows ``values`` [T, N, ...]; zeros at the start of an episode."""
    values = np.asarray(values)
    opening = np.concatenate([np.ones_like(done[:1]), done[:-1]])
    before = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
    return np.where(opening.reshape(opening.shape + (1,) * (values.ndim - 2)), 0, before)


def _data(done: np.ndarray, **features: Any) -> Any:
    arrays = {name: np.asarray(values) for name, values in features.items()}
    before = {name: _follow(values, done) for name, values in arrays.items()}
    half = np.arange(done.shape[0])[:, None] % 2 == 0  # both kinds of end must do
    return rollout(*done.shape, terminated=done & half, truncated=done & ~half, features=before, next_features=arrays)


def e3b(inputs: Case, params: Case) -> dict[str, Any]:
    done = np.asarray(inputs["done"], bool)
    data = _data(done, phi=np.asarray(inputs["phi"], float))
    plain = E3B(feature="phi", encoder="none", normalise="none", ridge=float(params["ridge"]))
    forms = {
        "bonus": plain,
        "bonus_first_step_zero": plain.replace(first_step_zero=True),
        "bonus_lifelong": plain.replace(lifelong=True),
    }
    out = {name: play(term, data)[0].components["e3b"] for name, term in forms.items()}
    return {**out, "final_inverse": np.asarray(play(plain, data)[1].episode)}


def noveld(inputs: Case, params: Case) -> dict[str, Any]:
    novelty, following = (jnp.asarray(inputs[name], float) for name in ("novelty", "next_novelty"))
    gain = novelty_gain(novelty, following, params["alpha"])
    visits = jnp.asarray(inputs["episodic_count_next"])
    return {form: gain * visit_weight(visits, form, gain.dtype) for form in FORMS}


def episodic_global_combo(inputs: Case, params: Case) -> dict[str, Any]:
    done = np.asarray(inputs["done"], bool)
    novelty, following = (jnp.asarray(inputs[name], float) for name in ("novelty", "next_novelty"))
    gain = np.asarray(novelty_gain(novelty, following, params["alpha"]))
    rnd = np.asarray(novelty_gain(novelty, following, 0.0))
    data = _data(
        done,
        phi=np.asarray(inputs["phi"], float),
        key=inputs["next_keys"],
        gain=gain,
        weighted=params["add_coef"] * gain,
        rnd=rnd,
    )
    here = E3B(feature="phi", encoder="none", normalise="none", ridge=float(params["ridge"]))
    counts = {"num_keys": params["num_keys"], "feature": "key", "count_reset_obs": False}
    everywhere = GlobalCount(**counts, component="global")
    first = EpisodicCount(**counts, first_visit=True, component="first_visit")
    gains, weighted, rnds = (Read(feature=name) for name in ("gain", "weighted", "rnd"))
    terms = {
        "e3b_times_noveld": Product(chain(e3b=here, noveld=gains)),
        "e3b_plus_noveld": Sum(chain(e3b=here, noveld=weighted), component="product"),
        "e3b_times_rnd": Product(chain(e3b=here, rnd=rnds)),
        "e3b_times_global_count": Product(chain(e3b=here, count=everywhere)),
        "first_visit_times_global_count": Product(chain(first=first, count=everywhere)),
        "first_visit_times_rnd": Product(chain(first=first, rnd=rnds)),
    }
    return {name: play(term, data)[0].components["product"] for name, term in terms.items()}


ADAPTERS = {"e3b": e3b, "noveld": noveld, "episodic_global_combo": episodic_global_combo}
