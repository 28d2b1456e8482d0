"""Golden adapters of intrinsic bonuses: elliptical, novelty differences, hashes, neighbors, skills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from driver import Read, begin, play, proceed, rollout
from run import NotCovered

from rewardax.wrappers import E3B, EpisodicCount, GlobalCount, Product, Sum, chain
from rewardax.wrappers.bonuses.count_tables import FORMS, visit_weight
from rewardax.wrappers.bonuses.hash_count import HashCount, simhash_bits, simhash_code
from rewardax.wrappers.bonuses.memory import Book, Window, exploit_term, explore_term
from rewardax.wrappers.bonuses.neighbors import nearest, neighbor_novelty
from rewardax.wrappers.bonuses.ngu import EpisodicNeighbors, modulator
from rewardax.wrappers.bonuses.noveld import novelty_gain
from rewardax.wrappers.bonuses.skills import agac_advantage, diayn_reward, phase_entropy_reward

Case = Mapping[str, Any]


def _follow(values: Any, done: np.ndarray) -> np.ndarray:
    """What o_t showed when o_{t+1} shows ``values`` [T, N, ...]; zeros at the start of an episode."""
    values = np.asarray(values)
    initial = np.concatenate([np.ones_like(done[:1]), done[:-1]])
    before = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
    return np.where(initial.reshape(initial.shape + (1,) * (values.ndim - 2)), 0, before)


def _data(done: np.ndarray, **features: Any) -> Any:
    arrays = {name: np.asarray(values) for name, values in features.items()}
    before = {name: _follow(values, done) for name, values in arrays.items()}
    half = np.arange(done.shape[0])[:, None] % 2 == 0  # both kinds of end must do
    return rollout(*done.shape, terminated=done & half, truncated=done & ~half, features=before, next_features=arrays)


def e3b(inputs: Case, params: Case) -> dict[str, Any]:
    done = np.asarray(inputs["done"], bool)
    data = _data(done, phi=np.asarray(inputs["phi"], float))
    plain = E3B(feature="phi", encoder="none", normalize="none", ridge=float(params["ridge"]))
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
    here = E3B(feature="phi", encoder="none", normalize="none", ridge=float(params["ridge"]))
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


def simhash_count(inputs: Case, params: Case) -> dict[str, Any]:
    features = np.asarray(inputs["features"], float)
    projection = jnp.asarray(inputs["projection"], float)
    term = HashCount(feature="x", bits=len(projection), center=False, scale=float(params["beta"]))
    data = rollout(len(features), 1, next_features={"x": features[:, None]}, features={"x": features[:, None]})

    def run(term: HashCount) -> np.ndarray:
        state = begin(term, data)
        state = state._replace(shared={**state.shared, "projection": projection})
        return np.asarray(proceed(term, state, data)[0].components["hash_count"])[:, 0]

    bits = simhash_bits(projection, jnp.asarray(features))
    return {
        "bits": np.asarray(bits).astype(int),
        "code": simhash_code(bits),
        "count": run(term.replace(scale=1.0, exponent=-1.0)),
        "bonus": run(term),
    }


def ngu(inputs: Case, params: Case) -> dict[str, Any]:
    done = np.asarray(inputs["done"], bool)
    data = _data(done, phi=np.asarray(inputs["embeddings"], float))
    term = EpisodicNeighbors(
        feature="phi",
        encoder="none",
        normalize="none",
        k=params["k"],
        capacity=len(done),
        cluster_distance=params["cluster_distance"],
        kernel_epsilon=params["kernel_eps"],
        constant=params["c"],
        max_similarity=params["max_similarity"],
    )
    state = begin(term, data)
    state = state._replace(shared={**state.shared, "mean_square": jnp.asarray(params["mean_sq_dist"], float)})
    episodic = np.asarray(proceed(term, state, data)[0].components["ngu"])
    error = jnp.asarray(inputs["lifelong_error"], float)
    factor = np.asarray(modulator(error, params["err_mean"], params["err_std"], params["L"]))
    both = Product(chain(here=Read(feature="episodic"), ever=Read(feature="factor")))
    combined = play(both, _data(done, episodic=episodic, factor=factor))[0].components["product"]
    return {"episodic": episodic, "modulator": factor, "combined": combined}


def knn_novelty(inputs: Case, params: Case) -> dict[str, Any]:
    points = jnp.asarray(inputs["embeddings"], float)
    outside = jnp.asarray(inputs["outside_queries"], float)
    k, others = params["k"], params["novelty_neighbours"]
    to_itself, to_set = nearest(points, points, max(k, others) + 1), nearest(outside, points, k)
    return {
        "kth_distance": neighbor_novelty(to_itself[:, : k + 1], "kth"),
        "log_kth": neighbor_novelty(to_itself[:, : k + 1], "kth", log=True),
        "average_first5_including_self": neighbor_novelty(nearest(points, points, 5)),
        "mean_knn_excluding_self": neighbor_novelty(to_itself[:, 1 : others + 1]),
        "outside_kth_distance": neighbor_novelty(to_set, "kth"),
        "outside_log_mean_knn": neighbor_novelty(to_set, log=True),
    }


def skill_and_adversarial(inputs: Case, params: Case) -> dict[str, Any]:
    logits = jnp.asarray(inputs["skill_logits"], float)
    if logits.shape[-1] != params["num_skills"]:
        raise NotCovered(f"{params['num_skills']} skills with {logits.shape[-1]} logits")
    advantage, log_pi, adversary = (jnp.asarray(inputs[n], float) for n in ("advantage", "log_pi", "log_pi_adversary"))
    return {
        "diayn_reward": diayn_reward(logits, jnp.asarray(inputs["skill"])),
        "agac_advantage": agac_advantage(advantage, log_pi, adversary, params["agac_c"]),
    }


def pear_entropy(inputs: Case, params: Case) -> dict[str, Any]:
    rows = inputs["token_entropy"]
    width = max(len(row) for row in rows)
    entropy = jnp.asarray([list(row) + [0.0] * (width - len(row)) for row in rows])
    length, tag, correct, fallback = (
        jnp.asarray(inputs[n]) for n in ("length", "tag_position", "correct", "format_reward")
    )
    penalty, reward = phase_entropy_reward(
        entropy, length, tag, correct.astype(bool), fallback, params["alpha"], params["success_reward"]
    )
    return {"penalty": penalty, "reward": reward}


def episodic_memory_reward(inputs: Case, params: Case) -> dict[str, Any]:
    def book(kind: str) -> Book:
        values = inputs[f"{kind}_values"]
        most = max(len(row) for row in values)
        size = len(values[0][0])
        filled = Book.create(len(values), most, len(inputs[f"{kind}_queries"][0]), size, jnp.float64)
        for query, responses in zip(inputs[f"{kind}_queries"], values, strict=True):
            for response in responses:
                filled = filled.insert(jnp.asarray(query, float), jnp.asarray(response, float))
        return filled

    success, failure = book("success"), book("failure")
    queries, responses = (jnp.asarray(inputs[name], float) for name in ("queries", "responses"))
    k, rows = params["top_k"], zip(queries, responses, strict=True)
    raw = [(exploit_term(a, *success.recall(q, k)), explore_term(a, *failure.recall(q, k))) for q, a in rows]
    scaled = []
    for term in zip(*raw, strict=True):
        window, values = Window.create(params["window"], jnp.float64), []
        for value in term:
            rescaled, window = window.rescale(value, params["eps"])
            values.append(float(rescaled))
        scaled.append(values)
    return {
        "exploit_raw": [float(exploit) for exploit, _ in raw],
        "explore_raw": [float(explore) for _, explore in raw],
        "exploit_norm": scaled[0],
        "explore_norm": scaled[1],
        "reward": np.sum(scaled, 0),
    }


ADAPTERS = {
    "e3b": e3b,
    "noveld": noveld,
    "episodic_global_combo": episodic_global_combo,
    "simhash_count": simhash_count,
    "ngu": ngu,
    "knn_novelty": knn_novelty,
    "episodic_memory_reward": episodic_memory_reward,
    "skill_and_adversarial": skill_and_adversarial,
    "pear_entropy": pear_entropy,
}
