"""Stepwise progress attribution: learned contributions to the outcome, plus a reward for admissible actions."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.core import RewardTransform, Transition, static
from rewardax.wrappers.credit.decomposition import ReturnDecomposition


def step_reward(contribution: Array, grounding: Array, alpha: float | Array = 1.0, beta: float | Array = 0.5) -> Array:
    """α·c_t + β·g_t.

    >>> step_reward(jnp.array([0.25, 0.5]), jnp.array([1, 0])).tolist()
    [0.75, 0.5]
    """
    return alpha * contribution + beta * grounding


def released_token_reward(step_rewards: Array, mask: Array) -> Array:
    """What the released training loop pays per token, for comparison only: it is not the formula of the paper.

    The last token of step k (0-based, of n steps) gets its step reward times n - k - 1, so the last step gets 0.
    ``mask`` [L] is 1 on tokens the agent wrote; every run of ones is a step.

    >>> released_token_reward(jnp.array([0.5, 2.0, 1.0]), jnp.array([1, 1, 0, 1, 0, 1])).tolist()
    [0.0, 1.0, 0.0, 2.0, 0.0, 0.0]
    """
    steps, mask = len(step_rewards), mask.astype(bool)
    last = mask & ~jnp.append(mask[1:], False)
    step = jnp.clip(jnp.cumsum(last) - last, 0, steps - 1)
    return jnp.where(last, step_rewards[step] * (steps - step - 1), 0)


class SPA(ReturnDecomposition):
    """Stepwise progress attribution (SPA): pay α·c_t + β·g_t instead of a delayed reward.

    c_t is the learned contribution of the step, trained like :class:`ReturnDecomposition` so that Σ_t c_t is close to
    the return; g_t is 1 if the action was executable ("grounding").

    Paper: Wang et al. 2025, "SPA-RL: Reinforcing LLM Agents via Stepwise Progress Attribution" (arXiv 2505.20732).
    Invariant: no
    Golden: spa
    Components: rewrites ``component``.
    Metrics: as :class:`ReturnDecomposition`.

    Remembers: what :class:`ReturnDecomposition` remembers.

    Args:
        alpha, beta: weights of contribution and grounding.
        grounding_feature: feature bool[N] of o_{t+1} that says whether the action was executable.

    Differs from the paper: a small network over (o, a, o - o') instead of a language model. The release pays
    something else, see :func:`released_token_reward`, and replaces contributions by outcomes minus a leave-one-out
    mean.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0, 0.0, 1.0], terminated=[False, False, True], valid=[True, False, True])
    >>> numbers(replay(SPA(), data)[0].components["task"])  # not trained yet: grounding alone
    [0.5, 0.0, 0.5]
    """

    alpha: float = 1.0
    beta: float = 0.5
    grounding_feature: str = static("valid")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(factor_features=("progress",), width=8, minibatches=2),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (*self.factor_features, self.grounding_feature)

    def _pay(self, predicted: Array, step: Transition) -> Array:
        grounding = step.next_features[self.grounding_feature].astype(predicted.dtype)
        return step_reward(predicted, grounding, self.alpha, self.beta)
