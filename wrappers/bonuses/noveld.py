"""NovelD: a bonus for crossing from the known into the new, on the first visits of an episode."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.bonuses.count_tables import FORMS, VisitWeighted
from rewardax.wrappers.bonuses.rnd import RND
from rewardax.wrappers.core import Result, Rewards, State, Transition, static


def novelty_gain(novelty: Array, next_novelty: Array, alpha: float | Array = 0.5) -> Array:
    """How much newer the place reached is: max(nov(o_{t+1}) - α·nov(o_t), 0).

    >>> novelty_gain(jnp.array([1.0, 1.0]), jnp.array([2.0, 0.25])).tolist()
    [1.5, 0.0]
    """
    return jnp.maximum(next_novelty - alpha * novelty, 0)


class NovelD(VisitWeighted, RND):
    """Novelty difference: pay where novelty rises, on the first visit of an episode.

        b_t = max(nov(o_{t+1}) - α·nov(o_t), 0)·w(N_e(o_{t+1})),  nov(o) = ‖g(x) - f(x)‖₂

    with the networks g and f of :class:`RND`, the same parameters for both observations. nov(o_0) is that of
    the reset observation. With α = 0 and ``form="const"`` it is RND with a norm.

    Paper: Zhang et al. 2021, "NovelD: A Simple yet Effective Exploration Criterion" (NeurIPS 2021).

    Invariant: no
    Golden: noveld, episodic_global_combo

    Args:
        alpha: α in [0, 1]; 0.5 in the paper, 1 in BeBold (Zhang et al. 2020, arXiv 2012.08621).
        form: w, ``"ind"`` 1[N_e = 1] as published, ``"isqrt"`` 1/√N_e, or ``"const"`` 1.
        count_feature: integer feature that tells states apart, i32[N] or uint32[N, words]; ``num_keys`` and
            ``count_reset_obs`` as in :class:`EpisodicCount`.
        normalize: ``"none"`` as published; ``"std"`` or ``"return"``. Other arguments as in :class:`RND`.

    Components: ``component``.
    Metrics: ``<component>/raw``, ``<component>/loss``.
    Remembers: visits i32[N, num_keys] of the episode, and what :class:`RND` remembers.

    Differs from the paper: as :class:`RND`; the inverse count that the released code multiplies by a second time is
    left out (it is 1 on first visits).

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(state_id=[1, 1, 2], x=[[1.0], [1.0], [3.0]])
    >>> bonus = replay(NovelD(feature="x", alpha=0.0, width=8, outputs=4), data)[0].components["noveld"]
    >>> (bonus[:, 0] > 0).tolist()
    [True, False, True]
    """

    error: str = static("norm")
    normalize: str = static("none")
    alpha: float = 0.5
    component: str = static("noveld", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(form=FORMS)

    @classmethod
    def examples(cls) -> tuple[NovelD, ...]:  # type: ignore[override]
        return (cls(feature="progress", width=8, outputs=4, minibatches=2, num_keys=16),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (*self._reads, *self._counts)

    def init(self, key: Array, example: Transition) -> State:
        state = super().init(key, example)
        return state._replace(env=(self._no_visits(example), state.env))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        visits, inner = state.env
        views = (self._vectors(view, transition.reward.dtype) for view in self._views(transition))
        novelty, next_novelty = jnp.split(self._novelty(state.shared, jnp.concatenate([*views])), 2)
        raw, visits = self._fade(novelty_gain(novelty, next_novelty, self.alpha), visits, transition)
        rewards, state = self._post(rewards, raw, state._replace(env=inner), transition)
        return rewards, state._replace(env=(visits, state.env))


def bebold(**options: Any) -> NovelD:
    """BeBold (Zhang et al. 2020, arXiv 2012.08621): :class:`NovelD` with α = 1.

    >>> bebold().alpha
    1.0
    """
    return NovelD(**{"component": "bebold", "alpha": 1.0, **options})
