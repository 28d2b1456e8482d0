"""Implicit process rewards: a policy-shaped network trained on outcomes is a reward for every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rewardax.base.arrays import env_where, typed_key
from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.episodes import sums
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.learned.networks import flatten, mlp, mlp_init
from rewardax.wrappers.learned.segments import episode_numbers


def step_rewards(log_ratio: Array, beta: float | Array, mask: Array | None = None) -> Array:
    """r_t = β·log(π(a_t|o_t)/π_ref(a_t|o_t)): the increments q_t - q_{t-1} of the partial sums; 0 where masked.

    >>> [round(float(r), 2) for r in step_rewards(jnp.array([1.0, -2.0, 9.0]), 0.5, jnp.array([1, 1, 0]))]
    [0.5, -1.0, 0.0]
    """
    rewards = beta * log_ratio
    return rewards if mask is None else jnp.where(mask.astype(bool), rewards, 0)


def outcome_loss(scores: Array, success: Array) -> Array:
    """Cross-entropy of σ(score) with the outcome in {0, 1}, one per episode: the score is Σ_t r_t.

    >>> round(float(outcome_loss(jnp.array(0.0), jnp.array(1.0))), 3)
    0.693
    """
    return -(success * jax.nn.log_sigmoid(scores) + (1 - success) * jax.nn.log_sigmoid(-scores))


def contrast_loss(scores: Array, success: Array, weight: Array | None = None) -> Array:
    """DPO against the other class: -log σ(±(q - mean q of the opposite outcome)), one per episode of a group.

    The mean is data (no gradient) and 0 if the group has no episode of the other outcome. ``weight`` (0 or 1)
    leaves episodes out.

    Paper: Cui et al. 2025, "Process Reinforcement through Implicit Rewards" (PRIME).

    >>> [round(float(x), 3) for x in contrast_loss(jnp.array([1.0, 0.0]), jnp.array([1.0, 0.0]))]
    [0.313, 0.313]
    """
    weight = jnp.ones_like(scores) if weight is None else weight
    data, won = jax.lax.stop_gradient(scores), success > 0

    def mean(chosen: Array) -> Array:
        share = weight * chosen
        return (share * data).sum() / jnp.maximum(share.sum(), 1)

    other = jnp.where(won, mean(~won), mean(won))
    return -jax.nn.log_sigmoid(jnp.where(won, 1, -1) * (scores - other))


def pair_loss(log_ratio_better: Array, log_ratio_worse: Array, beta: float | Array) -> Array:
    """DPO on a pair of episodes [..., T]: -log σ(β·(Σ_t better - Σ_t worse)).

    >>> round(float(pair_loss(jnp.ones(2), jnp.zeros(2), 0.5)), 3)
    0.313
    """
    return -jax.nn.log_sigmoid(beta * (log_ratio_better.sum(-1) - log_ratio_worse.sum(-1)))


def bound_returns(rewards: Array, mask: Array) -> Array:
    """Divide step rewards [B, T] by the largest |Σ_{k≥t} r_k| of the batch (+ 1e-6): no return exceeds 1 (PRIME).

    >>> [round(float(x), 3) for x in bound_returns(jnp.array([[1.0, 3.0]]), jnp.ones((1, 2)))[0]]
    [0.25, 0.75]
    """
    kept = jnp.where(mask.astype(bool), rewards, 0)
    ahead = kept[..., ::-1].cumsum(-1)[..., ::-1]
    return kept / (jnp.abs(ahead).max() + 1e-6)


class Walk(NamedTuple):
    """Where the partial sums of an episode's scores have been, [N] each."""

    here: Array
    low: Array
    high: Array

    def on(self, score: Array) -> Walk:
        """One step further."""
        here = self.here + score
        return Walk(here, jnp.minimum(self.low, here), jnp.maximum(self.high, here))

    @property
    def reach(self) -> Array:
        """The largest |Σ_{k≥t} score_k| over the steps t so far."""
        return jnp.maximum(self.here - self.low, self.high - self.here)


class ImplicitProcessReward(RewardTransform):
    """Step rewards from outcomes alone: a policy-shaped network against its frozen initial copy.

        s_t = β·log(π(a_t|o_t)/π_ref(a_t|o_t)),  q_T = Σ_t s_t of an episode
        r_t = scale·s_t/max(1, B),  B = max |Σ_{k≥t} s_k|

    B is taken over the rollout of the last ``learn`` and over the episodes that go on: however far π has moved, what
    is ahead of a step stays within ±scale.

    ``learn`` trains π on the episodes that lie completely inside the rollout, so that q_T tells success (the sum of
    ``source`` over the episode exceeds ``threshold``) from failure: ``loss="outcome"`` by cross-entropy of σ(q_T),
    ``"contrast"`` by DPO against the mean of the other class. The reward of a step is the increment of the partial
    sum q_t, hence where in the episode the outcome was decided.

    Paper: Yuan et al. 2024, "Free Process Rewards without Process Labels"; Cui et al. 2025 (PRIME).

    Args:
        actions: number of discrete actions.
        feature, one_hot, width: what the network looks at, as in :class:`~rewardax.wrappers.RND`, but of o_t.
        beta: 0.05 usual.
        steps: gradient steps on the whole rollout in one ``learn``.

    Components: ``component``.
    Metrics: from ``learn``, ``<component>/accuracy`` (episodes of this rollout whose outcome the model of before got
    right, so never trained on; NaN if there were only successes or failures), ``<component>/loss``.
    Remembers: the network, its first copy, the optimizer and B for the whole run; partial sums until the episode ends.
    Invariant: no
    Golden: implicit_prm

    Differs from the paper: B is known from the steps before, so that the reward is right at once, and returns within
    ±1 are not stretched (:func:`bound_returns` is PRIME's own rule, for a batch); a network of its own instead of a
    language model; q_T is centered for the cross-entropy by a learned offset, since environment episodes rarely succeed
    half of the time.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import replay
    >>> ends = [False, True] * 4
    >>> data = rollout(reward=[0.0, 1.0, 0.0, 0.0] * 2, terminated=ends, x=[[0.0]] * 9)
    >>> data = data.replace(action=jnp.array([[0], [1], [0], [0]] * 2))
    >>> model = ImplicitProcessReward(actions=2, feature="x", width=8, steps=50)
    >>> score = model.score(replay(model, data)[1], data)[:, 0]
    >>> bool(score[1] > 0), bool(score[0] < 0)
    (True, True)
    """

    whole_episodes = True

    source: str = static("task")
    actions: int = static(8)
    feature: str | None = static(None)
    one_hot: int = static(0)
    width: int = static(64)
    loss: str = static("outcome")
    steps: int = static(8)
    scale: float = 1.0
    beta: float = 0.05
    threshold: float = 0.0
    learning_rate: float = 1e-3
    component: str = static("implicit", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, loss=("outcome", "contrast"))
        if self.actions < 2:
            raise UserError(f"ImplicitProcessReward needs at least 2 discrete actions, got {self.actions}.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(width=8, steps=2, feature="progress", loss="contrast"),)

    @property
    def requires(self) -> tuple[str, ...]:
        return () if self.feature is None else (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        key = typed_key(key)
        dtype = example.reward.dtype
        sizes = (jax.eval_shape(self._inputs, example).shape[-1], self.width, self.width, self.actions)
        layers = mlp_init(key, sizes, dtype)
        model = {"network": layers, "offset": jnp.zeros((), dtype)}
        memory = {"model": model, "reference": layers, "optimizer": self._optimizer().init(model)}
        zeros = jnp.zeros(example.reward.shape, dtype)
        return State(episode=Walk(zeros, zeros, zeros), shared={**memory, "bound": jnp.ones((), dtype)})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        if not jnp.issubdtype(transition.action.dtype, jnp.integer):
            raise UserError("ImplicitProcessReward needs discrete actions; it compares probabilities of actions.")
        score = self.score(state, transition)
        walk = state.episode.on(score)
        counts = transition.valid & jnp.isfinite(walk.reach)
        bound = jnp.maximum(state.shared["bound"], jnp.where(counts, walk.reach, 0).max())
        state = state._replace(episode=walk, shared={**state.shared, "bound": bound})
        return rewards.add(self.component, self.scale * score / bound), state

    def score(self, state: State, steps: Transition) -> Array:
        """β·log(π/π_ref) of some steps [..., N], before ``scale``."""
        return jax.lax.stop_gradient(self._ratio(state.shared["model"]["network"], state.shared["reference"], steps))

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        rewards.require(self.source)
        rollout = jax.tree.map(jnp.asarray, rollout)
        shared, optimizer = state.shared, self._optimizer()
        source = jnp.asarray(rewards.metrics.get(f"{self.source}/posted", rewards.components[self.source]))
        outcome, _, begun = sums(rollout, source)
        ends = (rollout.done & rollout.valid & begun & jnp.isfinite(outcome)).astype(source.dtype)
        # a number that is NaN or infinite would reach every weight through the gradient
        seen = (rollout.observation, rollout.features)
        seen = jax.tree.map(lambda x: jnp.where(jnp.isfinite(x), x, jnp.zeros_like(x)), seen)
        rollout = rollout.replace(observation=seen[0], features=seen[1])
        won = (outcome > self.threshold).astype(source.dtype)

        steps, num_envs = won.shape
        episode = episode_numbers(rollout) * num_envs + jnp.arange(num_envs)

        def totals(model: PyTree) -> Array:
            ratio = self._ratio(model["network"], shared["reference"], rollout)
            total = (
                jnp.zeros((2 * steps + 1) * num_envs, ratio.dtype).at[episode].add(jnp.where(rollout.valid, ratio, 0))
            )
            return total[episode]

        def loss_of(model: PyTree) -> Array:
            total = totals(model)
            if self.loss == "outcome":
                losses = outcome_loss(total + model["offset"], won)
            else:
                losses = contrast_loss(total, won, ends)
            return (losses * ends).sum() / jnp.maximum(ends.sum(), 1)

        def step(carry: PyTree, _: None) -> tuple[PyTree, Array]:
            model, memory = carry
            loss, gradient = jax.value_and_grad(loss_of)(model)
            change, memory = optimizer.update(gradient, memory, model)
            new = (optax.apply_updates(model, change), memory)
            return jax.tree.map(lambda a, b: jnp.where(ends.sum() > 0, a, b), new, carry), loss

        start = (shared["model"], shared["optimizer"])
        (model, memory), losses = jax.lax.scan(step, start, None, length=self.steps)
        logged = {"loss": losses.mean(), "accuracy": separation(totals(shared["model"]), won, ends)}
        for name, value in logged.items():
            rewards = rewards.log(f"{self.component}/{name}", jnp.broadcast_to(value, rollout.reward.shape))
        ahead = self._bound(self._ratio(model["network"], shared["reference"], rollout), rollout)
        return rewards, state._replace(shared={**shared, "model": model, "optimizer": memory, "bound": ahead})

    def _bound(self, scores: Array, rollout: Transition) -> Array:
        """max(1, B) of a rollout [T, N]."""

        def on(walk: Walk, row: tuple[Array, Array, Array]) -> tuple[Walk, Array]:
            score, first, valid = row
            walk = env_where(first, jax.tree.map(jnp.zeros_like, walk), walk)
            after = walk.on(jnp.where(valid, score, 0))
            return after, after.reach

        zeros = jnp.zeros(scores.shape[1:], scores.dtype)
        reach = jax.lax.scan(on, Walk(zeros, zeros, zeros), (scores, rollout.first, rollout.valid))[1]
        return jnp.maximum(1, reach.max()).astype(scores.dtype)

    def _ratio(self, network: PyTree, reference: PyTree, steps: Transition) -> Array:
        lead = steps.reward.shape
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[len(lead) :]), steps)
        inputs, action = self._inputs(rows), rows.action.astype(jnp.int32)
        ours, theirs = (jax.nn.log_softmax(mlp(layers, inputs)) for layers in (network, reference))
        picked = jnp.take_along_axis(ours - theirs, action[:, None], -1, mode="clip")
        return step_rewards(picked.reshape(lead), self.beta)

    def _inputs(self, steps: Transition) -> Array:
        seen = steps.observation if self.feature is None else steps.features[self.feature]
        return flatten(seen, self.one_hot, steps.reward.dtype)

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)


def separation(scores: Array, success: Array, weight: Array) -> Array:
    """Chance that a success scores above a failure (area under the ROC curve), ties one half; NaN without both.

    Entries with ``weight`` 0 do not count.

    >>> float(separation(jnp.array([2.0, 1.0, 1.0]), jnp.array([1.0, 0.0, 1.0]), jnp.ones(3)))
    0.75
    """
    scores, won, weight = scores.reshape(-1), success.reshape(-1) > 0, weight.reshape(-1) > 0
    order = jnp.where(weight, scores, jnp.inf)
    ranked = jnp.sort(order)
    rank = (jnp.searchsorted(ranked, scores, side="left") + jnp.searchsorted(ranked, scores, side="right") + 1) / 2
    wins, losses = (weight & won).sum(), (weight & ~won).sum()
    area = jnp.where(weight & won, rank, 0).sum() - wins * (wins + 1) / 2
    return area / (wins * losses)
