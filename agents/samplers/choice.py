"""Which sampler a reward needs."""

from __future__ import annotations

from rewardax.agents.ppo import PPOConfig
from rewardax.agents.samplers.episodes import Episodes
from rewardax.agents.samplers.segments import Segments
from rewardax.base.errors import UserError
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.requirements import parts_of


def choose_sampler(
    config: PPOConfig, reward: RewardTransform, horizon: int
) -> tuple[Segments | Episodes, tuple[str, ...]]:
    """The sampler that ``config.sampler`` names, or that a reward needs.

    Args:
        config: settings of the learner.
        reward: the transform.
        horizon: longest episode of the task in steps.

    Returns:
        The sampler, and a sentence if it was chosen because of the reward.

    Raises:
        UserError: ``group_size`` does not divide ``num_envs``.

    >>> from rewardax.wrappers import EventBonus, UniformRedistribution
    >>> choose_sampler(PPOConfig(), EventBonus(), 100)[0].num_steps
    32
    >>> choose_sampler(PPOConfig(), UniformRedistribution(), 100)[1][0][:58]
    'the reward has UniformRedistribution, which needs whole ep'
    """
    needing = [part for part in parts_of(reward) if part.whole_episodes]
    groups = [part for part in needing if getattr(part, "group_feature", None) is not None]
    if config.sampler == "segments" or (config.sampler == "auto" and not needing):
        return Segments(config.num_envs, config.num_steps, config.mask_actions, horizon), ()
    size = config.group_size if groups or config.sampler == "episodes" else 1
    if config.num_envs % size:
        raise UserError(
            f"group_size={size} does not divide num_envs={config.num_envs}: every level needs {size} of them. "
            "Change one of the two"
        )
    sampler = Episodes(config.num_envs // size, size, horizon, config.mask_actions)
    if config.sampler == "episodes":
        return sampler, ()
    names = ", ".join(dict.fromkeys(type(part).__name__ for part in groups or needing))
    what = f"groups of {size} episodes of one level" if groups else "whole episodes"
    return sampler, (
        f"the reward has {names}, which needs {what}: a rollout is {sampler.num_envs} episodes of {sampler.levels} "
        f"levels, each played from its start to its end (sampler='episodes'; 'segments' would cut them).",
    )
