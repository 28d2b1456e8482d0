"""The ``info`` entries of a step with a reward: what every environment with a reward publishes.

``reward_components`` {name: float}, their sum being the returned reward; ``reward_metrics`` {name: float};
``task_reward``, what the reward of the environment itself; at an episode's end ``episode_components``, sums over the
episode. Batched entries follow Gymnasium: nested dicts of arrays, each key with a mask under ``_key``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rewardax.base.entries import REWARD_ENTRIES
from rewardax.wrappers.gym.session import RewardSession
from rewardax.wrappers.gym.session_program import Outcome

Info = dict[str, Any]


def reset_info(session: RewardSession, info: Mapping[str, Any], ours: bool) -> Info:
    """Info of one environment's ``reset``: every key is there, no reward was given yet.

    ``ours`` says whether a reward wrapper further in has made entries; those of others under our names are dropped.
    """
    inner = info.get("reward_metrics", {}) if ours else {}
    info = {
        **info,
        "reward_components": dict.fromkeys(session.component_names, 0.0),
        "reward_metrics": {**inner, **dict.fromkeys(session.metric_names, 0.0)},
        "task_reward": 0.0,
    }
    info.pop("episode_components", None)
    return info


def step_info(outcome: Outcome, info: Mapping[str, Any], task_reward: float, ours: bool) -> Info:
    """Info of one environment's step."""
    inner = info.get("reward_metrics", {}) if ours else {}
    info = {
        **info,
        "reward_components": outcome.components,
        "reward_metrics": {**inner, **_logged(outcome, inner)},
        "task_reward": float(task_reward),
    }
    if outcome.episode is not None:
        info["episode_components"] = outcome.episode
    else:
        info.pop("episode_components", None)
    return info


def without_ours(info: Mapping[str, Any]) -> Info:
    """A copy of batched info without the entries that somebody else has given our names."""
    return {name: x for name, x in info.items() if name.removeprefix("_") not in REWARD_ENTRIES}


def reset_info_batch(session: RewardSession, info: Mapping[str, Any], ours: bool) -> Info:
    """Info of a vector environment's ``reset``, whole or masked."""
    every, nothing = np.ones(session.num_envs, bool), np.zeros(session.num_envs)
    return _with(
        info if ours else without_ours(info),
        every,
        {
            "reward_components": dict.fromkeys(session.component_names, nothing),
            "reward_metrics": dict.fromkeys(session.metric_names, nothing),
            "task_reward": nothing,
        },
    )


def step_info_batch(
    outcome: Outcome, info: Mapping[str, Any], task_reward: np.ndarray, done: np.ndarray, ours: bool
) -> Info:
    """Info of a vector environment's step; if there is a ``final_info``, ended episodes are there as well."""
    info = info if ours else without_ours(info)
    entries = {
        "reward_components": outcome.components,
        "reward_metrics": _logged(outcome, info.get("reward_metrics", {})),
        "task_reward": task_reward,
    }
    result = _with(info, np.ones(len(done), bool), entries, everywhere=True)
    if outcome.episode is not None:
        ended = {"episode_components": outcome.episode}
        result = _with(result, done, ended)
        if isinstance(final := info.get("final_info"), Mapping):
            result["final_info"] = _with(final if ours else without_ours(final), done, entries | ended)
    return result


def names(entry: Mapping[str, Any]) -> Iterable[str]:
    """Keys of a batched entry without its masks."""
    return (name for name in entry if f"_{name}" in entry or not name.startswith("_"))


def _with(
    info: Mapping[str, Any], mask: np.ndarray, entries: Mapping[str, Any], everywhere: bool | None = None
) -> Info:
    """``info`` and ``entries`` where ``mask`` says, zero elsewhere; ``everywhere``: the mask says so of all."""
    everywhere = bool(mask.all()) if everywhere is None else everywhere
    result = dict(info)
    for name, values in entries.items():
        if isinstance(values, dict):
            result[name] = _with(info.get(name, {}), mask, values, everywhere)
        else:
            wide = np.array(values, np.float64)
            result[name] = wide if everywhere else np.where(mask, wide, 0.0)
        result[f"_{name}"] = mask.copy()
    return result


def _logged(outcome: Outcome, inner: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics to enter: a component is raw only once, before the innermost transform that changed it."""
    return {name: x for name, x in outcome.metrics.items() if not (name.endswith("/posted") and name in inner)}
