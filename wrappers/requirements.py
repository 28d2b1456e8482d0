"""What a reward requires of the environment and the learner it is attached to, checked before the first step."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rewardax.base.errors import UserError
from rewardax.base.names import names_of
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.judges.feedback import judged_parts


def attach(
    reward: RewardTransform, env: Any, *, who: str = "the reward", where: str = "this environment"
) -> RewardTransform:
    """The reward as it runs in an environment: what it requires is there, and the bits it names are found.

    Args:
        reward: the transform.
        env: a functional environment or a Gymnasium one: what has ``offered`` or ``feature_names``, and perhaps
            ``event_names`` and ``subgoal_names``.
        who: what messages call the reward.
        where: what messages call the environment.

    Raises:
        UserError: a feature, event or subgoal is missing; the message names it and those that exist.

    >>> from rewardax.envs import make
    >>> from rewardax.wrappers import EventBonus
    >>> attach(EventBonus(events=("unlocked", "picked")), make("KeyFarm")[0]).events
    (2, 0)
    """
    reward = reward.bind(names_of(env))
    require_features(reward, getattr(env, "offered", None) or env.feature_names, who=who, where=where)
    require_captions(reward, getattr(env, "captions", ()))
    return reward


def require_features(
    reward: RewardTransform,
    offered: Collection[str],
    *,
    who: str = "the reward",
    where: str = "this environment",
) -> None:
    """Check that an environment offers every feature that a reward reads.

    Args:
        reward: the transform; its ``requires`` are the features.
        offered: names of the features the environment has.
        who: what the message calls the reward.
        where: what the message calls the environment.

    Raises:
        UserError: a feature is missing; the message names it and those that exist.

    >>> from rewardax.wrappers import EventBonus
    >>> require_features(EventBonus(feature="speed"), ("room", "events"))
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: the reward needs feature 'speed'; this environment offers events, room
    """
    missing = [name for name in reward.requires if name not in offered]
    if missing:
        there = ", ".join(sorted(offered)) or "none (encode= makes features of observations and info)"
        raise UserError(f"{who} needs feature {missing[0]!r}; {where} offers {there}")


def require_captions(reward: RewardTransform, captions: Sequence[str]) -> None:
    """Check that every judged part has room for all captions of a task.

    Raises:
        UserError: with the number that is needed.

    >>> from rewardax.wrappers import Judged
    >>> require_captions(Judged(num_captions=2), ("nothing", "a key", "a door"))
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: Judged 'judge' has room for 2 captions and there are 3, so those from number 2 on, \
'a door', would never be judged; set num_captions=3
    """
    for part in judged_parts(reward):
        if part.num_captions < len(captions):
            raise UserError(
                f"{type(part).__name__} {part.component!r} has room for {part.num_captions} captions and there are "
                f"{len(captions)}, so those from number {part.num_captions} on, {captions[part.num_captions]!r}, would "
                f"never be judged; set num_captions={len(captions)}"
            )


def require_discount(reward: RewardTransform, gamma: float, time_limit: str = "truncate") -> None:
    """Check that whatever shapes by a potential does so as the learner discounts and ends.

    Args:
        reward: the transform; its parts that are ``potential_based`` are looked at, wherever they stand.
        gamma: the learner's discount.
        time_limit: ``"truncate"`` if the learner bootstraps at time limits, ``"terminate"`` if they are ends to it.

    Raises:
        UserError: a part has another ``gamma``, or a ``truncation`` that contradicts ``time_limit``.

    >>> from rewardax.wrappers import Freeze, Potential, chain
    >>> require_discount(chain(late=Freeze(Potential(gamma=0.9))), 0.99)
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: Potential 'shaping' has gamma=0.9, the learner 0.99: shaping keeps optimal \
policies only with the learner's own discount. Set one of them to the other.
    """
    ends = {"truncate": "bootstrap", "terminate": "absorb"}[time_limit]
    for part in parts_of(reward):
        if not part.potential_based:
            continue
        name, own = _named(part), getattr(part, "truncation", None)
        if np.any(np.abs(np.asarray(part.gamma) - gamma) > 1e-6):
            raise UserError(
                f"{name} has gamma={part.gamma}, the learner {gamma}: shaping keeps optimal policies "
                "only with the learner's own discount. Set one of them to the other."
            )
        if own not in (None, ends):
            raise UserError(
                f"{name} has truncation={own!r}, the learner time_limit={time_limit!r}: shaping keeps optimal policies "
                f"only if both treat time limits alike. This learner needs truncation={ends!r}."
            )


def short_rollouts(reward: RewardTransform, num_steps: int, horizon: int | None) -> list[str]:
    """What a learner's rollouts are too short for, one sentence for each part of a reward.

    Args:
        reward: the transform; its parts that need ``whole_episodes`` are looked at, wherever they stand.
        num_steps: steps of each environment in a rollout.
        horizon: longest episode of the task in steps; ``None`` if unknown.

    >>> from rewardax.wrappers import UniformRedistribution
    >>> short_rollouts(UniformRedistribution(), 32, 100)[0][:64]
    "UniformRedistribution 'task' works on episodes that begin and en"
    >>> short_rollouts(UniformRedistribution(), 128, 100)
    []
    """
    if horizon is None or num_steps >= horizon:
        return []
    return [
        f"{_named(part)} works on episodes that begin and end inside one rollout. A rollout has num_steps={num_steps} "
        f"steps and an episode up to {horizon}: longer ones count for nothing. Set num_steps={horizon} or more."
        for part in parts_of(reward)
        if part.whole_episodes
    ]


def _named(part: Any) -> str:
    return type(part).__name__ + (f" {part.component!r}" if hasattr(part, "component") else "")


def parts_of(value: Any) -> Iterator[Any]:
    """A transform and all that stand in its fields."""
    if isinstance(value, RewardTransform):
        yield value
        inside: Any = (getattr(value, field.name) for field in dataclasses.fields(value))
    else:
        inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    for item in inside:
        yield from parts_of(item)
