"""Rewards from a judge around running environments: the judge is asked while the environments wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from rewardax.base.errors import UserError
from rewardax.wrappers.config import from_config
from rewardax.wrappers.gym.session import RewardSession
from rewardax.wrappers.gym.single import Encoder
from rewardax.wrappers.gym.vector import VectorRewardWrapper, told_by_all
from rewardax.wrappers.judges.config import judge_from_config, judge_to_config
from rewardax.wrappers.judges.reward import Judged
from rewardax.wrappers.judges.rounds import Rounds


class Asking:
    """What wrappers with a judge share: in time for every ``learn`` it is asked about the captions seen since."""

    session: RewardSession
    _rounds: Rounds | None

    def _begin(self, judge: Any, captions: Sequence[str], component: str) -> None:
        self.component = component
        self._rounds = None if judge is None else Rounds(judge, captions)

    def step(self, action: Any) -> Any:
        """A step of the environment; the judge is asked if ``learn`` is due at the next one."""
        result = super().step(action)  # type: ignore[misc]
        self._ask()
        return result

    def _ask(self) -> None:
        if self._rounds is None or self.session.until_learn > 1:
            return
        found = self._rounds.ask(Judged.pending(self.session.state))
        if found:
            labels = {"caption": np.array([*found], np.int32), "value": np.array([*found.values()], np.float32)}
            self.session.feed({self.component: labels})


class VectorLLMJudgedReward(Asking, VectorRewardWrapper):
    """:class:`~rewardax.wrappers.LLMJudgedReward` around a vector environment: one judge and one table for all.

    Args:
        env: the vector environment.
        judge, captions, fields: as for :class:`~rewardax.wrappers.LLMJudgedReward`.
        encode, learn_every, seed: as for :class:`~rewardax.wrappers.gym.vector.VectorRewardWrapper`.

    Raises:
        UserError: when there are no captions to be had, or fewer than the environments have.

    >>> from rewardax.envs import GymVectorEnv
    >>> from rewardax.wrappers.judges import Verdict
    >>> judge = lambda queries: [Verdict(0.5 if "key" in query.text else 0.0) for query in queries]
    >>> envs = VectorLLMJudgedReward(GymVectorEnv("KeyFarm", 2), judge=judge, learn_every=2)
    >>> _ = envs.reset(seed=0)
    >>> for actions in ([1, 1], [1, 1], [2, 1], [3, 2], [2, 1]):
    ...     reward = envs.step(np.array(actions))[1]
    >>> envs.captions[1], reward
    ('the agent picks up the key', array([0.5, 0. ]))
    """

    def __init__(
        self,
        env: VectorEnv,
        *,
        judge: Any = None,
        captions: Sequence[str] | None = None,
        encode: Encoder | Mapping[str, str] | None = None,
        learn_every: int = 128,
        seed: int = 0,
        **fields: Any,
    ) -> None:
        self.judge = judge_from_config(judge) if isinstance(judge, Mapping) else judge
        self.captions = tuple(captions or told_by_all(env, "captions"))
        reward = judged(self.captions, fields)
        VectorRewardWrapper.__init__(self, env, reward, encode=encode, learn_every=learn_every, seed=seed)
        self._begin(self.judge, self.captions, reward.component)

    def reward_spec(self) -> list[dict[str, Any]]:
        """A judge has no place in a stack of rewards, so there is none.

        Raises:
            UserError: always.
        """
        raise UserError(
            "a VectorLLMJudgedReward has a judge and captions, which from_spec would lose; build it anew from "
            "to_config(envs.reward) and judge_to_config(envs.judge)"
        )


def judged(captions: Sequence[str], fields: Mapping[str, Any]) -> Judged:
    """The transform for these captions."""
    if not captions:
        raise UserError("this environment has no captions to judge; pass captions=[...], one per caption_id")
    if fields.get("num_captions", len(captions)) != len(captions):
        raise UserError(f"num_captions is the number of captions, {len(captions)}, not {fields['num_captions']}")
    return from_config({"type": "Judged", **fields, "num_captions": len(captions)})  # type: ignore[return-value]


def judge_as_config(judge: Any) -> Any:
    """The JSON form of a judge; one of the user's own kind stays as it is."""
    try:
        return None if judge is None else judge_to_config(judge)
    except TypeError:
        return judge
