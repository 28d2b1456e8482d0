"""NovelD: pay for crossing from the known into the new; and its product with an episodic bonus."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.algebra import Weights
from rewardax.wrappers.combine import Product, Sum
from rewardax.wrappers.core import Chain, PyTree, Rewards, State, Transition, chain, static
from rewardax.wrappers.counts import Visits, bucket
from rewardax.wrappers.e3b import E3B
from rewardax.wrappers.normalise import Normalise
from rewardax.wrappers.novelty import prediction_error
from rewardax.wrappers.rnd import RND, flatten, mlp

Result = tuple[Rewards, State]
FORMS = ("ind", "isqrt", "const")


def novelty_gain(novelty: Array, next_novelty: Array, alpha: float | Array = 0.5) -> Array:
    """How much newer the place reached is: max(nov(o_{t+1}) - α·nov(o_t), 0).

    >>> novelty_gain(jnp.array([1.0, 1.0]), jnp.array([2.0, 0.25])).tolist()
    [1.5, 0.0]
    """
    return jnp.maximum(next_novelty - alpha * novelty, 0)


def first_visit_weight(visits: Array, form: str, dtype: Any = jnp.float32) -> Array:
    """Factor of the visits N_e >= 1 so far: ``"ind"`` 1[N_e = 1], ``"isqrt"`` 1/√N_e, ``"const"`` 1.

    >>> first_visit_weight(jnp.array([1, 4]), "isqrt").tolist()
    [1.0, 0.5]
    """
    if form not in FORMS:
        raise ValueError(f"first_visit_weight: form is one of {FORMS}, not {form!r}.")
    if form == "const":
        return jnp.ones(visits.shape, dtype)
    return (visits == 1).astype(dtype) if form == "ind" else 1 / jnp.sqrt(visits.astype(dtype))


class NovelD(RND):
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
        count: integer feature that tells states apart, i32[N] or uint32[N, words]; ``num_keys`` and
            ``count_reset_obs`` as in :class:`EpisodicCount`.
        normalise: ``"none"`` as published; ``"std"`` or ``"return"``. Other arguments as in :class:`RND`.

    Components: ``component``. Metrics: ``<component>/raw``, ``<component>/loss``. Remembers visits i32[N, num_keys] of
    the episode, and what :class:`RND` remembers.

    Differs from the paper: as :class:`RND`; the inverse count that the released code multiplies by a second time is
    left out (it is 1 on first visits).

    >>> from rewardax.wrappers.testdata import rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(state_id=[1, 1, 2], x=[[1.0], [1.0], [3.0]])
    >>> bonus = replay(NovelD(feature="x", alpha=0.0, width=8, outputs=4), data)[0].components["noveld"]
    >>> (bonus[:, 0] > 0).tolist()
    [True, False, True]
    """

    component: str = static("noveld")
    error: str = static("norm")
    normalise: str = static("none")
    form: str = static("ind")
    count: str = static("state_id")
    num_keys: int = static(1024)
    count_reset_obs: bool = static(True)
    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(form=FORMS)

    @classmethod
    def examples(cls) -> tuple[NovelD, ...]:  # type: ignore[override]
        small = cls(width=8, outputs=4, minibatches=2, num_keys=16)
        return (small, small.replace(feature="progress", form="isqrt", normalise="std"))

    @property
    def requires(self) -> tuple[str, ...]:
        return super().requires + ((self.count,) if self.form != "const" else ())

    def init(self, key: Array, example: Transition) -> State:
        state = super().init(key, example)
        visits = () if self.form == "const" else Visits.create(example.reward.shape[0], self.num_keys)
        return state._replace(env=(visits, state.env))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        visits, inner = state.env
        before, after = self._both(transition)
        novelty, next_novelty = jnp.split(self._novelty(state.shared, jnp.concatenate([before, after])), 2)
        raw = novelty_gain(novelty, next_novelty, self.alpha)
        if self.form != "const":
            keys = (bucket(f[self.count], self.num_keys) for f in (transition.next_features, transition.features))
            seen, visits = visits.visit(*keys, transition.first, self.count_reset_obs)
            raw = raw * first_visit_weight(seen, self.form, raw.dtype)
        rewards, state = self._post(rewards, raw, state._replace(env=inner), transition)
        return rewards, state._replace(env=(visits, state.env))

    def _both(self, step: Transition) -> tuple[Array, Array]:
        seen = (step.observation, step.next_observation)
        if self.feature is not None:
            seen = (step.features[self.feature], step.next_features[self.feature])
        before, after = (flatten(view, self.one_hot, step.reward.dtype) for view in seen)
        return before, after

    def _loss(self, predictor: PyTree, shared: dict[str, Any], x: Array) -> Array:
        return prediction_error(mlp(predictor, x), jax.lax.stop_gradient(mlp(shared["target"], x)), self.error)


def bebold(**options: Any) -> NovelD:
    """BeBold (Zhang et al. 2020, arXiv 2012.08621): :class:`NovelD` with α = 1.

    >>> bebold().alpha
    1.0
    """
    return NovelD(**{"component": "bebold", "alpha": 1.0, **options})


def episodic_with_global(
    episodic: Any = None,
    novelty: NovelD | None = None,
    join: str = "multiply",
    coefficient: float = 1.0,
    scale: float = 1.0,
    component: str = "explore",
) -> Chain:
    """Join an episodic and a global bonus: b = E·G (or b = E + c·G), divided by its running std, times ``scale``.

    Neither factor is normalised by itself: their product is (statistics with a prior of weight 1).

    Paper: Henaff, Jiang & Raileanu 2023, "A Study of Global and Episodic Bonuses for Exploration in Contextual
    MDPs" (arXiv 2306.03236).

    Args:
        episodic: a transform with one component; default E3B with its learnt encoder.
        novelty: NovelD with ``form="const"``; default α = 0, so the product is E3B x RND, the study's choice.
        join: ``"multiply"`` or ``"add"``; ``coefficient`` is the c of ``"add"``.

    Differs from the paper: both look at o_{t+1}; the released code lets E3B look at o_t (``E3B(timing="departure")``).

    >>> episodic_with_global().names
    ('bonus', 'normalise', 'weight')
    """
    joins = {"multiply": Product, "add": Sum}
    if join not in joins:
        raise ValueError(f"episodic_with_global: join is one of {tuple(joins)}, not {join!r}.")
    episodic = E3B(normalise="none") if episodic is None else episodic
    novelty = NovelD(alpha=0.0, form="const", component="global") if novelty is None else novelty
    novelty = novelty.replace(scale=novelty.scale * coefficient) if join == "add" else novelty
    inner = chain(episodic=episodic, everywhere=novelty)
    return chain(
        bonus=joins[join](inner, component=component),
        normalise=Normalise(component=component, prior_count=1.0),
        weight=Weights({component: scale}),
    )


def e3b_times_rnd(one_hot: int = 0, scale: float = 1.0, alpha: float = 0.0, component: str = "e3b_rnd") -> Chain:
    """E3B x RND, what the study of global and episodic bonuses ends up recommending; α > 0 makes it E3B x NovelD.

    >>> e3b_times_rnd().parts[0].component
    'e3b_rnd'
    """
    episodic = E3B(one_hot=one_hot, normalise="none")
    novelty = NovelD(one_hot=one_hot, alpha=alpha, form="const", component="global")
    return episodic_with_global(episodic, novelty, scale=scale, component=component)


def e3b_times_noveld(one_hot: int = 0, scale: float = 1.0, component: str = "e3b_noveld") -> Chain:
    """E3B x NovelD of the study: α = 0.1 and no first-visit indicator.

    >>> e3b_times_noveld().parts[0].inner.parts[1].alpha
    0.1
    """
    return e3b_times_rnd(one_hot, scale, alpha=0.1, component=component)
