"""Rules about a Gymnasium environment of one's own that is to get rewards around it, each a generator of sentences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env as gymnasium_check

from rewardax.base.entries import REWARD_ENTRIES

STEPS = 64


class Played:
    """An environment, and what it said while random actions were taken in it: observation, reward, ends, info."""

    def __init__(self, env: gym.Env) -> None:
        self.env = env

    @cached_property
    def steps(self) -> list[tuple[Any, ...]]:
        return [row for row in self.rows if row[1] is not None]

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        self.env.action_space.seed(0)
        rows = [self._reset(0)]
        for _ in range(STEPS):
            rows.append(self.env.step(self.env.action_space.sample()))
            if rows[-1][2] or rows[-1][3]:
                rows.append(self._reset(None))
        return rows

    def _reset(self, seed: int | None) -> tuple[Any, ...]:
        observation, info = self.env.reset(seed=seed)
        return observation, None, False, False, info


def gymnasium_rules(played: Played) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            gymnasium_check(played.env.unwrapped, skip_render_check=True)
        except Exception as error:
            yield f"Gymnasium's check_env fails: {error}"


def one_reward(played: Played) -> Iterator[str]:
    for t, (_, reward, *_) in enumerate(played.steps):
        if np.size(reward) != 1:
            yield (
                f"the reward of step {t + 1} has shape {np.shape(reward)}; rewards are one number a step. "
                "MO-Gymnasium's LinearReward makes one of several; encode= hands the others to a reward as features"
            )
            return
        if not np.isfinite(np.asarray(reward, float)).all():
            yield f"the reward of step {t + 1} is {reward}"
            return


def free_names(played: Played) -> Iterator[str]:
    taken = sorted({name for *_, info in played.rows for name in info} & set(REWARD_ENTRIES))
    if taken:
        yield f"info has {', '.join(map(repr, taken))}: rewards publish under these names, call yours otherwise"


def steady_features(played: Played) -> Iterator[str]:
    """``info["features"]``, where there is one, has the same names and forms after every reset and step."""
    said = [info["features"] for *_, info in played.rows if "features" in info]
    if not said:
        return
    if not all(isinstance(features, Mapping) for features in said):
        yield "info['features'] is no mapping from names to numbers, so no reward reads it"
        return
    if len(said) < len(played.rows):
        yield "info['features'] is there after some steps or resets only; report them after every one"
        return
    for name in sorted({name for features in said for name in features}):
        values = [np.asarray(features[name]) for features in said if name in features]
        shapes, kinds = {value.shape for value in values}, {value.dtype.kind for value in values}
        if len(values) < len(said):
            yield f"feature {name!r} is there after some steps or resets only; report it after every one"
        elif len(shapes) > 1:
            yield f"feature {name!r} changes its shape: {', '.join(map(str, sorted(shapes)))}"
        elif len(kinds) > 1:
            yield (
                f"feature {name!r} is now real and now a whole number or bool: return one kind always, in reset as well"
                " (Gymnasium's vector environments cut a column to the kind of its first value)"
            )


FOREIGN_RULES: tuple[Callable[[Played], Iterator[str]], ...] = (
    gymnasium_rules,
    one_reward,
    free_names,
    steady_features,
)
