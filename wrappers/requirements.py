"""What a reward requires of the environment and the learner it is attached to, checked before the first step."""

from __future__ import annotations

from collections.abc import Collection

import jax

from rewardax.base.errors import UserError
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.shaping.potential import Potential


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
