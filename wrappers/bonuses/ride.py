"""RIDE: a bonus for what actions change, less at every visit."""

from __future__ import annotations

from jax import Array

from rewardax.wrappers.bonuses.count_tables import FORMS, VisitWeighted
from rewardax.wrappers.bonuses.embedding import ENCODERS
from rewardax.wrappers.bonuses.errors import prediction_error
from rewardax.wrappers.bonuses.icm import Dynamics
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


class RIDE(VisitWeighted, Dynamics, RewardTransform):
    """Rewarding impact-driven exploration: b_t = ‖φ(o_{t+1}) - φ(o_t)‖₂/√N_e(o_{t+1}).

    φ is trained in ``learn`` to tell which action was taken and to be predictable, as in :class:`ICM`. Unlike a
    prediction error the impact does not fade with training; the count of this episode makes it fade.

    Paper: Raileanu & Rocktäschel 2020, "RIDE: Rewarding Impact-Driven Exploration for Procedurally-Generated
    Environments" (arXiv 2002.12292).

    Invariant: no
    Golden: prediction_error_bonus

    Args:
        form: ``"isqrt"`` as published; ``"ind"`` pays first visits only, ``"const"`` does not fade.
        count_feature, num_keys, count_reset_obs: as in :class:`NovelD`. Other arguments as in :class:`ICM`.

    Components: ``component``.
    Metrics: ``<component>/raw``, ``<component>/loss`` (in ``learn``).
    Remembers: visits i32[N, num_keys] of the episode; networks, optimizer and statistics for the whole run.

    Differs from the paper: embeddings have length 1, hence the impact is at most 2; MLPs.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> bonus = RIDE(feature="x", encoder="none", width=8)
    >>> data = rollout(x=[[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]], state_id=[1, 1, 0])
    >>> numbers(replay(bonus, data)[0].components["ride"])
    [5.0, 0.0, 3.536]
    """

    normalize: str = static("none")
    form: str = static("isqrt")
    inverse_weight: float = 0.1
    forward_weight: float = 10.0
    component: str = static("ride", kw_only=True)

    def __post_init__(self) -> None:
        self._check(encoder=ENCODERS, form=FORMS)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(feature="graded", width=8, outputs=4, num_actions=3, minibatches=2, num_keys=16),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (*self._reads, *self._counts)

    def init(self, key: Array, example: Transition) -> State:
        statistics = self._statistics(key, example)
        env = (self._no_visits(example), statistics.env)
        return State(env=env, shared=(self._networks(key, example), statistics.shared))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        (networks, memory), (visits, inner) = state.shared, state.env
        phi, next_phi = (self._phi(networks, view, transition.reward.dtype) for view in self._views(transition))
        raw, visits = self._fade(prediction_error(next_phi, phi, "norm"), visits, transition)
        rewards, statistics = self._pay(rewards, raw, State(env=inner, shared=memory), transition)
        return rewards, State((), (visits, statistics.env), (networks, statistics.shared))
