"""One reward, one wrapper: the classic form ``PotentialShaping(env, gamma=0.99)``.

Each is a :class:`~rewardax.wrappers.gym.single.RewardWrapper` around one transform; its keyword arguments are
the transform's fields, in Python or in JSON form (``{"$fn": "module:function"}`` for functions). They are
recorded, so ``gym.make(env.spec)`` rebuilds the wrapper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from rewardax.base.errors import UserError
from rewardax.wrappers.config import from_config
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.gym.judged import Asking, judge_as_config, judged
from rewardax.wrappers.gym.single import Encoder, RewardWrapper, as_config, told_by
from rewardax.wrappers.judges.config import judge_from_config


class Classic(RewardWrapper):
    """Base: builds the transform named by :attr:`transform` from keyword arguments and records those.

    Args:
        env: the environment.
        encode, learn_every, seed: as for :class:`~rewardax.wrappers.gym.single.RewardWrapper`.
        fields: fields of the transform; the others keep their defaults. ``UserError`` lists what exists.
    """

    transform: str

    def __init__(
        self,
        env: gym.Env,
        *,
        encode: Encoder | Mapping[str, str] | None = None,
        learn_every: int = 128,
        seed: int = 0,
        **fields: Any,
    ) -> None:
        common = {"encode": as_config(encode), "learn_every": learn_every, "seed": seed}
        recorded = {name: as_config(value) for name, value in fields.items()}
        RecordConstructorArgs.__init__(self, _disable_deepcopy=True, **common, **recorded)
        reward = self.make(**fields)
        RewardWrapper.__init__(self, env, reward, encode=encode, learn_every=learn_every, seed=seed)

    @classmethod
    def make(cls, **fields: Any) -> RewardTransform:
        """The transform with these fields."""
        return from_config({"type": cls.transform, **fields})


class PotentialShaping(Classic):
    """Potential-based shaping: :class:`~rewardax.wrappers.shaping.potential.Potential` around one environment.

    >>> env = PotentialShaping(gym.make("CartPole-v1"), phi={"$fn": "math:hypot"}, gamma=0.9)
    >>> env.reward.gamma, env.reward.phi.__name__, env.reward.component
    (0.9, 'hypot', 'shaping')
    """

    transform = "Potential"


class CountBonus(Classic):
    """A bonus for rare states: :class:`~rewardax.wrappers.bonuses.counts.EpisodicCount`, or ``GlobalCount``.

    ``scope="episode"`` (default) forgets its counts when the episode ends, ``scope="run"`` never.

    >>> env = CountBonus(gym.make("CartPole-v1"), scope="run", scale=0.1)
    >>> type(env.reward).__name__, env.reward.scale
    ('GlobalCount', 0.1)
    """

    @classmethod
    def make(cls, scope: str = "episode", **fields: Any) -> RewardTransform:
        """The transform with these fields."""
        types = {"episode": "EpisodicCount", "run": "GlobalCount"}
        if scope not in types:
            raise UserError(f"CountBonus: scope is 'episode' or 'run', not {scope!r}")
        return from_config({"type": types[scope], **fields})


class RNDBonus(Classic):
    """A bonus for surprising observations: :class:`~rewardax.wrappers.bonuses.rnd.RND` around one environment.

    >>> RNDBonus(gym.make("CartPole-v1"), width=16, learn_every=64).reward.width
    16
    """

    transform = "RND"


class GatedRewardAccumulation(Classic):
    """G-RA: the components ``held`` count only in episodes in which the sum of ``gate`` reaches ``threshold``.

    They are posted by reward wrappers further in, and given as one sum on the episode's last step. Other
    options (``op``, ``statistic``, ``scope``, ``on_truncation``) as in
    :class:`~rewardax.wrappers.gates.accumulation.GatedAccumulation`.

    >>> env = CountBonus(gym.make("CartPole-v1"))
    >>> env = GatedRewardAccumulation(env, held=["count"], threshold=100.0)
    >>> env.reward.components, env.reward.thresholds
    (('task', 'count'), (100.0, None))
    """

    @classmethod
    def make(
        cls, gate: str = "task", held: Sequence[str] = ("shaping",), threshold: float = 1.0, **fields: Any
    ) -> RewardTransform:
        """The transform with these fields."""
        held = (held,) if isinstance(held, str) else tuple(held)
        return from_config(
            {
                "type": "GatedAccumulation",
                "components": (gate, *held),
                "priority": (1, *(0 for _ in held)),
                "thresholds": (threshold, *(None for _ in held)),
                **fields,
            }
        )


class LLMJudgedReward(Asking, Classic):
    """Pays what a judge thinks of the caption of what just happened: :class:`~rewardax.wrappers.judges.reward.Judged`.

    Every ``learn_every`` steps the judge is asked about the captions that occurred since and waits for its
    answer; no caption with a verdict is asked about twice, and one without a verdict pays nothing and is asked about
    again later (:class:`~rewardax.wrappers.judges.rounds.Rounds`). In training runs
    ``rewardax.train(judge=...)`` asks in the background instead. Without a judge, labels come through
    ``feed``.

    Args:
        env: the environment; its feature ``caption_id`` says what just happened.
        judge: a judge or its config, see :mod:`rewardax.wrappers.judges`.
        captions: the sentences that the feature points at; by default the ``captions`` of the environment.
        encode, learn_every, seed: as for :class:`~rewardax.wrappers.gym.single.RewardWrapper`.
        fields: fields of ``Judged``, such as ``scale``, ``exponent``, ``form``.

    Raises:
        UserError: when there are no captions to be had, or fewer than the environment has.

    >>> env = LLMJudgedReward(gym.make("CartPole-v1"), captions=["nothing", "it falls"], exponent=3.0)
    >>> env.reward.num_captions, env.reward.exponent
    (2, 3.0)
    """

    def __init__(
        self,
        env: gym.Env,
        *,
        judge: Any = None,
        captions: Sequence[str] | None = None,
        encode: Encoder | Mapping[str, str] | None = None,
        learn_every: int = 128,
        seed: int = 0,
        **fields: Any,
    ) -> None:
        self.judge = judge_from_config(judge) if isinstance(judge, Mapping) else judge
        recorded = {name: as_config(value) for name, value in fields.items()}
        RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            judge=judge_as_config(self.judge),
            captions=None if captions is None else list(captions),
            encode=as_config(encode),
            learn_every=learn_every,
            seed=seed,
            **recorded,
        )
        self.captions = tuple(captions or told_by(env, "captions"))
        reward = judged(self.captions, fields)
        RewardWrapper.__init__(self, env, reward, encode=encode, learn_every=learn_every, seed=seed)
        self._begin(self.judge, self.captions, reward.component)
