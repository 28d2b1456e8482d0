"""What a reward requires of the environment and the learner it is attached to, checked before the first step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import jax

from rewardax.base.errors import UserError
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.judges.feedback import judged_parts
from rewardax.wrappers.names import names_of
from rewardax.wrappers.shaping.potential import Potential


def attach(
    reward: RewardTransform, env: Any, *, who: str = "the reward", where: str = "this environment"
) -> RewardTransform:
    """The reward as it runs in an environment: what it requires is there, and the bits it names are found.

    Args:
        reward: the transform.
        env: a functional environment or a Gymnasium one: what offers ``feature_names``, and perhaps ``event_names``
            and ``subgoal_names``.
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
    require_features(reward, env.feature_names, who=who, where=where)
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


def require_gamma(reward: RewardTransform, gamma: float) -> None:
    """Check that every potential in a reward shapes with the learner's own discount.

    Raises:
        UserError: the ``gamma`` of a :class:`~rewardax.wrappers.Potential` is another one.
    """
    for part in jax.tree.leaves(reward, is_leaf=lambda x: isinstance(x, Potential)):
        if isinstance(part, Potential) and abs(float(part.gamma) - gamma) > 1e-6:
            raise UserError(
                f"Potential {part.component!r} has gamma={float(part.gamma)}, the learner {gamma}: shaping keeps "
                "optimal policies only with the learner's own discount. Set one of them to the other."
            )
