"""Golden adapters of reward distances, invariance, signal statistics, over-optimization and the off-switch game."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from driver import discounted, play, rollout
from run import NotCovered

from rewardax.analysis import (
    action_gap,
    best_of_n,
    dard_canonical,
    epic_distance,
    fit_curve,
    group_statistics,
    held_out_gap,
    normalized_regret,
    off_switch,
    policy_value,
    policy_values,
    read_run,
    reward_norm,
    reward_statistics,
    starc_distance,
    tabular,
    value_iteration,
)
from rewardax.analysis.distances.exact import CANONICAL
from rewardax.analysis.overoptimization import CurveFit
from rewardax.wrappers import Potential

Case = Mapping[str, Any]


def shaping(potential: Any, gamma: float, pairs: np.ndarray) -> np.ndarray:
    """What the Potential transform pays on each (state, next state) pair, as one step of many environments."""
    now, after = (np.asarray(potential, float)[pairs[:, i]][None] for i in (0, 1))
    data = rollout(1, len(pairs), features={"phi": now}, next_features={"phi": after})
    return np.asarray(play(Potential(phi="phi", gamma=gamma), data)[0].components["shaping"])[0]


def shaped(reward: Any, potential: Any, gamma: float) -> np.ndarray:
    """R + F on every (s, a, s')."""
    rewards = np.asarray(reward, float)
    pairs = np.stack(np.meshgrid(*[np.arange(len(rewards))] * 2, indexing="ij"), -1).reshape(-1, 2)
    return rewards + shaping(potential, gamma, pairs).reshape(len(rewards), 1, len(rewards))


def reward_distance_tabular(inputs: Case, params: Case) -> dict[str, Any]:
    if params.get("R3", "2.5*(R1 + gamma*potential[next] - potential[state])") != (
        "2.5*(R1 + gamma*potential[next] - potential[state])"
    ):
        raise NotCovered(f"R3 {params['R3']!r}")
    tau, gamma = np.asarray(inputs["transition"]), params["gamma"]
    first, second = np.asarray(inputs["R1"]), np.asarray(inputs["R2"])
    third = 2.5 * shaped(first, inputs["potential"], gamma)
    forms = ("epic", "dard", "val", "val_potential")

    def distances(other: np.ndarray) -> dict[str, float]:
        found = {"epic_pearson": epic_distance(first, other, gamma)}
        for form in forms:
            half = starc_distance(first, other, tau, gamma, canonical=form)
            weighted = starc_distance(first, other, tau, gamma, canonical=form, norm="weighted_2")
            found |= {f"{form}_l2": 2 * half, f"{form}_l2_halved": half, f"{form}_weighted2": 2 * weighted}
        return found

    value = CANONICAL["val"](first, tau, gamma)
    norms = {"1": "l1", "2": "l2", "inf": "linf", **{f"weighted_{p}": f"weighted_{p}" for p in ("1", "2", "inf")}}
    return {
        "canonical_R1": {form: CANONICAL[form](first, tau, gamma) for form in forms},
        "dard_independent_actions_R1": dard_canonical(first, tau, gamma, independent=True),
        "value_uniform_R1": policy_values(first, tau, gamma),
        "norms_of_val_R1": {name: reward_norm(value, kind, tau) for name, kind in norms.items()},
        "distance": {"R1_vs_R2": distances(second), "R1_vs_R3": distances(third)},
    }


def policy_invariance(inputs: Case, params: Case) -> dict[str, Any]:
    if params.get("initial", "uniform") != "uniform":
        raise NotCovered(f"initial {params['initial']!r}")
    gamma, potential, path = params["gamma"], inputs["potential"], np.asarray(inputs["path"])
    task = tabular(inputs["transition"], inputs["reward"])
    best = value_iteration(task, gamma)
    with_shaping = tabular(inputs["transition"], shaped(inputs["reward"], potential, gamma))
    other = value_iteration(with_shaping, gamma)
    proxy = value_iteration(tabular(inputs["transition"], inputs["proxy_reward"]), gamma)
    ends = np.stack([path[:-1], path[1:]], 1)
    return {
        "q_star": best.action_value,
        "q_star_shaped": other.action_value,
        "optimal_action": best.policy,
        "optimal_action_shaped": other.policy,
        "optimal_action_proxy": proxy.policy,
        "return_best": best.value.mean(),
        "return_worst": -value_iteration(task, gamma, reward=-task.reward).value.mean(),
        "return_of_proxy_policy": policy_value(task, proxy.policy, gamma).mean(),
        "normalised_regret": normalized_regret(task, proxy.policy, gamma, start=np.full(len(task.over), 1.0)),
        "discounted_shaping_sum": discounted(shaping(potential, gamma, ends), gamma),
        "telescoped": gamma ** len(ends) * potential[path[-1]] - potential[path[0]],
        "min_action_gap": action_gap(best.action_value),
    }


def reward_signal_stats(inputs: Case, params: Case) -> dict[str, Any]:
    found = reward_statistics(inputs["rewards"], inputs["length"], gamma=params["gamma"])
    return {**found, **group_statistics(inputs["group_returns"])}


def best_of(inputs: Case, params: Case) -> dict[str, Any]:
    found = {}
    for n in params["ns"]:
        proxy, gold, kl = best_of_n(inputs["proxy_sorted_ascending"], inputs["gold_in_same_order"], n)
        found[f"n{n}"] = {"proxy": proxy, "gold": gold, "kl_nats": kl}
    return found


def over_optimized(inputs: Case, params: Case) -> dict[str, Any]:
    distance, observed = inputs["sqrt_kl"], inputs["gold_observed"]
    fits = {form: fit_curve(distance, observed, form) for form in ("best_of_n", "rl")}
    models = {form: CurveFit(form, params["alpha"], params["beta"]) for form in fits}
    run = read_run(inputs["proxy_curve"], inputs["gold_curve"])
    gap = held_out_gap(inputs["visible_rate"], inputs["heldout_rate"], inputs["tasks"])
    return {
        "gold_bon_model": models["best_of_n"](distance),
        "gold_rl_model": models["rl"](distance),
        "bon_fit_alpha_beta": [fits["best_of_n"].alpha, fits["best_of_n"].beta],
        "rl_fit_alpha_beta": [fits["rl"].alpha, fits["rl"].beta],
        "bon_peak_sqrt_kl": models["best_of_n"].peak,
        "rl_peak_sqrt_kl": models["rl"].peak,
        "peak_index": run.peak_index,
        "peak_drop": run.drop,
        **{f"spec_gap_{name}": value for name, value in gap.items()},
    }


def off_switch_game(inputs: Case, params: Case) -> dict[str, Any]:
    rational = off_switch(inputs["utility"], inputs["probability"])
    noisy = off_switch(inputs["utility"], inputs["probability"], params["human_temperature"])
    return {
        "value_act": rational.act,
        "value_off": rational.off,
        "value_defer_rational": rational.defer,
        "value_defer_noisy": noisy.defer,
        "incentive_to_defer_rational": rational.incentive,
        "incentive_to_defer_noisy": noisy.incentive,
        "best_rational": rational.best,
        "best_noisy": noisy.best,
    }


ADAPTERS = {
    "reward_distance_tabular": reward_distance_tabular,
    "policy_invariance": policy_invariance,
    "reward_signal_stats": reward_signal_stats,
    "best_of_n": best_of,
    "overoptimisation": over_optimized,
    "off_switch": off_switch_game,
}
