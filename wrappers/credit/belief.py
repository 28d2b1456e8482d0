"""Rewards for knowing more: entropy of a belief, probability of the truth, and probes of an answer."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.statistics import center, standardize
from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.credit.min_form import returns_to_go
from rewardax.wrappers.groups.statistics import group_center, group_mean, whiten
from rewardax.wrappers.shaping.potential import Phi, Potential, Progress


def entropy(belief: Array) -> Array:
    """Shannon entropy -Σ p·log p in nats over the last axis, 0·log 0 = 0.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(entropy(jnp.array([[0.5, 0.5], [1.0, 0.0]])))
    [0.693, 0.0]
    """
    p = jnp.clip(belief, 0, 1)
    return jnp.abs(jax.scipy.special.xlogy(p, p).sum(-1))


def negative_entropy(observation: PyTree, features: Mapping[str, Array]) -> Array:
    """Potential Φ = -H(belief) for :class:`Potential`: the neutral form of an information-gain reward.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(negative_entropy(None, {"belief": jnp.array([[0.5, 0.5]])}))
    [-0.693]
    """
    return -entropy(features["belief"])


negative_entropy.requires = ("belief",)  # type: ignore[attr-defined]


class InformationGain(RewardTransform):
    """Pay for the reduction of uncertainty: r_t = scale·(H(b_t) - γ·H(b_{t+1})), H the entropy in nats.

    The belief b over hypotheses must be that of an ideal observer, offered by the environment; the policy could fake
    its own. With γ = 1, the default, the sum over an episode is H(b_0) - H(b_T), however it ends. A single reward can
    be negative (surprising answers); its expectation is not.

    There is no end rule, so this is not neutral: knowledge at the end is rewarded. The neutral form is
    ``Potential(phi=negative_entropy, gamma=...)``.

    Paper: "Dialogue as Discovery" 2025 (Nous).

    Invariant: no

    Golden: information_gain

    Args:
        feature: belief f32[N, H], probabilities over hypotheses.
        gamma: factor of the new entropy; the learner's discount makes it a discounted potential difference.

    Components: ``component``.
    Metrics: ``<component>/entropy`` of o_{t+1}.
    Remembers: nothing.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(belief=[[0.25] * 4, [0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], reward=[0.0, 1.0])
    >>> numbers(replay(InformationGain(), data)[0].components["information"])
    [0.693, 0.693]
    """

    feature: str = static("belief")
    scale: float = 1.0
    gamma: float = 1.0
    component: str = static("information", kw_only=True)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        before, after = (
            entropy(features[self.feature].astype(transition.reward.dtype))
            for features in (transition.features, transition.next_features)
        )
        rewards = rewards.add(self.component, self.scale * (before - self.gamma * after))
        return rewards.log(f"{self.component}/entropy", after), state


def igpo(feature: str, scale: float = 1.0, component: str = "information") -> Progress:
    """IGPO's turn reward: the change of the probability p of the true answer, r_t = scale·(p(o_{t+1}) - p(o_t)).

    It is self-referential: a policy that makes p small at first earns more later. The paper takes differences of the
    mean log-probability instead, the released code of p; the feature decides.

    Paper: "Information Gain-based Policy Optimization" 2025 (GuoqingWang1/IGPO).

    Golden: igpo, information_gain

    >>> igpo("truth_probability").feature
    'truth_probability'
    """
    return Progress(feature=feature, scale=scale, component=component)


def igpo_paper(
    log_probability: Array, outcome: Array, mask: Array | None = None, gamma: float | Array = 1.0, eps: float = 1e-6
) -> tuple[Array, Array]:
    """IGPO as the paper has it: gains f[E, T] and advantages f[E, T + 1] of one group of E episodes.

    ``log_probability`` [E, T + 1] is the mean log-probability of the truth before the first and after every turn.
    Gains and outcomes [E] are standardized separately over the group (sample std + eps); the outcome follows an
    episode's last turn, and the advantage is the discounted sum to go. ``mask`` bool[E, T] marks the turns there are.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> gain, advantage = igpo_paper(jnp.array([[0.0, 1.0], [0.0, 3.0]]), jnp.array([1.0, 0.0]))
    >>> gain.tolist(), numbers(advantage[:, 1])
    ([[1.0], [3.0]], [0.707, -0.707])
    """
    gain = jnp.diff(log_probability, axis=-1)
    mask = jnp.ones(gain.shape, bool) if mask is None else mask
    turns = jnp.where(mask, whiten(gain, mask, eps), 0)
    last = whiten(outcome, jnp.ones(outcome.shape, bool), eps)
    length = mask.sum(-1)
    rewards = jnp.concatenate([turns, jnp.zeros_like(turns[:, :1])], -1)
    rewards = rewards.at[jnp.arange(len(length)), length].set(last)
    return gain, returns_to_go(rewards, jnp.ones(rewards.shape, bool), gamma=gamma)


def igpo_released(rewards: Array, mask: Array, group: Array, gamma: float | Array = 1.0) -> Array:
    """IGPO as released: sum to go [E, T] minus the group's mean at the same position, where ended episodes count as 0.

    >>> igpo_released(jnp.array([[1.0, 1.0], [2.0, 0.0]]), jnp.array([[True, True], [True, False]]),
    ...               jnp.array([0, 0])).tolist()
    [[0.0, 0.5], [0.0, 0.0]]
    """
    to_go = returns_to_go(rewards, mask, gamma=gamma)
    baseline = jax.vmap(group_mean, in_axes=(1, None), out_axes=1)(to_go, group)
    return jnp.where(mask, to_go - baseline, 0)


def spae_potential(accuracy: Array, confidence: Array) -> Array:
    """SPAE: Φ = 1.5·acc·conf + 0.5·acc - conf in [-1, 1]: sure and right is best, sure and wrong is worst.

    >>> spae_potential(jnp.array([1.0, 1.0, 0.0]), jnp.array([1.0, 0.0, 1.0])).tolist()
    [1.0, 0.5, -1.0]
    """
    return 1.5 * accuracy * confidence + 0.5 * accuracy - confidence


def probe_potential(observation: PyTree, features: Mapping[str, Array]) -> Array:
    """:func:`spae_potential` of the features ``probe_accuracy`` and ``probe_confidence``, for :class:`Potential`.

    >>> one = jnp.array([1.0])
    >>> probe_potential(None, {"probe_accuracy": one, "probe_confidence": one}).tolist()
    [1.0]
    """
    return spae_potential(features["probe_accuracy"], features["probe_confidence"])


probe_potential.requires = ("probe_accuracy", "probe_confidence")  # type: ignore[attr-defined]


def belief_potential(observation: PyTree, features: Mapping[str, Array]) -> Array:
    """:func:`spae_potential` of an ideal observer who has to answer now, from the features ``belief`` f32[N, H] and
    ``belief_logp`` f32[N]: accuracy is the probability of the truth, confidence the largest probability.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(belief_potential(None, {"belief": jnp.array([[0.5, 0.5]]), "belief_logp": jnp.log(jnp.array([0.5]))}))
    [0.125]
    """
    return spae_potential(jnp.exp(features["belief_logp"]), features["belief"].max(-1))


belief_potential.requires = ("belief", "belief_logp")  # type: ignore[attr-defined]


def spae(gamma: float = 0.99, scale: float = 1.0, component: str = "shaping", phi: Phi = probe_potential) -> Potential:
    """Shaping with SPAE's probe: how sure the agent would be, and how right, if it had to answer now.

    Args:
        gamma: the learner's discount.
        scale: factor.
        phi: ``probe_potential`` of a probe's features, or ``belief_potential`` of the belief that the question games
            offer (Clarify, HopQA, TwentyQuestions).
        component: name of the component.

    Paper: SPAE 2026 (cii030/SPAE-RL).

    Golden: spae

    >>> spae().requires, spae(phi=belief_potential).requires
    (('probe_accuracy', 'probe_confidence'), ('belief', 'belief_logp'))
    """
    return Potential(phi=phi, gamma=gamma, scale=scale, component=component)


def spae_advantages(
    potential: Array,
    mask: Array,
    outcome: Array,
    group: Array,
    alpha: float | Array = 0.5,
    xi: float | Array = 0.5,
    saturation: float | Array = 0.9,
    eps: float | Array = 1e-8,
) -> tuple[Array, Array]:
    """SPAE's step advantages [E, T], before and after the last standardization.

    ::

        A = (R - group mean)·f + xi·g
        f = 1 - alpha·(1 - exp(-c)),   c = number of earlier steps with Φ > saturation
        g = exp(z) - mean of exp(z),   z = Φ_t - Φ_{t-1} scaled to [0, 1] over the batch, 0 at first steps

    Means and the last z-score (population std + eps) are over the masked steps of the batch. A batch of equal
    differences gives z = 0. Read from the paper's text; the released code has only the probe.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> phi, mask = jnp.array([[0.0, 1.0], [0.0, 0.0]]), jnp.ones((2, 2), bool)
    >>> numbers(spae_advantages(phi, mask, jnp.array([1.0, 0.0]), jnp.array([0, 0]))[0])
    [0.285, 1.144, -0.715, -0.715]
    """
    step = jnp.diff(potential, axis=-1, prepend=potential[:, :1])
    low, high = jnp.min(step, where=mask, initial=jnp.inf), jnp.max(step, where=mask, initial=-jnp.inf)
    z = jnp.where(mask & (high > low), (step - low) / jnp.where(high > low, high - low, 1), 0)
    gain = center(jnp.exp(z), mask).values
    above = (mask & (potential > saturation)).astype(potential.dtype)
    earlier = jnp.cumsum(above, -1) - above
    fade = 1 - alpha * (1 - jnp.exp(-earlier))
    raw = jnp.where(mask, group_center(outcome, group)[:, None] * fade + xi * gain, 0)
    return raw, standardize(raw, mask, eps)
