"""Several rewards, one number: scalarizations, sampled preference directions, and orders that need no number."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import key_bits
from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.pointwise import rewrite, weighted
from rewardax.wrappers.algebra.scopes import SCOPES, STATISTICS, begin, channels, check_lengths, collect, delivered
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, chain, static
from rewardax.wrappers.shaping.potential import Progress

ADDITIVE = ("linear", "direction", "log_sigmoid")
KINDS = (*ADDITIVE, "weighted_geometric", "chebyshev", "krc")


def direction(angle: float | Array) -> Array:
    """Unit vectors (cos a, sin a) [..., 2] of angles [...] in degrees.

    >>> [round(float(x), 3) for x in direction(-45.0)]
    [0.707, -0.707]
    """
    radians = jnp.deg2rad(angle)
    return jnp.stack([jnp.cos(radians), jnp.sin(radians)], -1)


def weighted_geometric(values: Array, weights: Array, floor: float | Array = 1e-3) -> Array:
    """Π_k max(r_k, floor)^(w_k/Σw) over the last axis: little compensation between the parts.

    >>> round(float(weighted_geometric(jnp.array([1.0, 0.25]), jnp.array([1.0, 1.0]))), 3)
    0.5
    """
    return jnp.exp((jnp.log(jnp.maximum(values, floor)) * weights).sum(-1) / weights.sum(-1))


def chebyshev(values: Array, weights: Array, ideal: Array) -> Array:
    """-max_k w_k·(ideal_k - r_k): the part furthest from its ideal decides (weights 1, ideal 0: the minimum).

    >>> round(float(chebyshev(jnp.array([0.5, 0.9]), jnp.array([1.0, 1.0]), jnp.array([1.0, 1.0]))), 3)
    -0.5
    """
    return -(weights * (ideal - values)).max(-1)


def krc(values: Array) -> Array:
    """Kinesthetic combination over the last axis: s·(Π|r_k|)^(1/K), s = +1 only if all r_k > 0, else -1.

    The product of signs, which other code uses, would reward two negatives; here they are punished.

    >>> [round(float(krc(jnp.array(r))), 3) for r in ([0.5, 0.5], [-0.5, -0.5], [0.5, 0.0])]
    [0.5, -0.5, 0.0]
    """
    size = jnp.abs(values)
    zero = (size == 0).any(-1)
    mean = jnp.exp(jnp.log(jnp.where(size == 0, 1, size)).mean(-1))
    return jnp.where(zero, 0, jnp.where((values > 0).all(-1), mean, -mean))


def krc_distance(distance: Array, c_d: float | Array, w_dis: float | Array = 1.0, w_den: float | Array = 1.0) -> Array:
    """Distance as a score in (0, 1]: exp(-0.5·d/(c_d·w_dis))^(1/w_den).

    >>> round(float(krc_distance(jnp.array(2.0), 1.0)), 3)
    0.368
    """
    return jnp.exp(-0.5 * distance / (c_d * w_dis)) ** (1 / w_den)


def nondominated(values: Array) -> Array:
    """bool[B]: rows [B, K] that no other row beats somewhere without being worse anywhere (all maximized).

    >>> nondominated(jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist()
    [True, True, False]
    """
    mine, other = values[:, None], values[None]
    return ~((other >= mine).all(-1) & (other > mine).any(-1)).any(1)


def lexicographic_rank(values: Array, margin: Array) -> Array:
    """i32[B]: by how many rows each row [B, K] is beaten, comparing level by level (0 is best).

    The first level on which two rows differ by more than its margin decides; margins make the relation
    non-transitive, hence a count instead of a sort.

    >>> lexicographic_rank(jnp.array([[1.0, 0.0], [0.95, 1.0], [0.0, 9.0]]), jnp.array([0.1, 0.0])).tolist()
    [1, 0, 2]
    """
    gap = values[None] - values[:, None]  # [mine, other, K]
    decisive = jnp.abs(gap) > margin
    level = jnp.argmax(decisive, -1)
    beaten = decisive.any(-1) & (jnp.take_along_axis(gap, level[..., None], -1)[..., 0] > 0)
    return beaten.sum(1)


class Scalarize(RewardTransform):
    """Combine several components into one number, whose parts stay visible.

    ======================  ===================================================  =======================
    ``form``                R                                                    what becomes of r_k
    ======================  ===================================================  =======================
    ``linear``              Σ w_k·r_k (as ``Weights``)                           w_k·r_k
    ``direction``           cos(angle)·r_1 + sin(angle)·r_2                      its summand
    ``log_sigmoid``         Σ w_k·max(log sigmoid(r_k - ideal_k), lowest)        its summand
    ``weighted_geometric``  Π max(r_k, floor)^(w_k/Σw)                           R in the first, 0 in others
    ``chebyshev``           -max_k w_k·(ideal_k - r_k)                           R in the first, 0 in others
    ``krc``                 s·(Π abs(r_k))^(1/K), s = 1 if all r_k > 0 else -1   R in the first, 0 in others
    ======================  ===================================================  =======================

    The total is always the sum of the components. So a sum leaves each component its own share, while what is
    not a sum replaces the first listed component and empties the others; the parts are the metrics
    ``<component>/posted``. To combine new components without touching those of the chain, use :class:`Product`
    or :class:`Minimum`.

    ``log_sigmoid`` is the log-probability that all properties hold, a soft AND: bad parts dominate, good ones
    saturate. It is negative everywhere, which makes ending early attractive: use the ``episode`` scope. So
    does ``chebyshev`` with an ideal above the rewards.

    Paper: Haoxiang Wang et al. 2024, "Arithmetic Control of LLMs for Diverse User Preferences" (direction); Zihao Wang
    et al. 2024, "Transforming and Combining Rewards for Aligning Large Language Models" (log_sigmoid); "Lucy-SKG:
    Learning to Play Rocket League Efficiently Using Deep Reinforcement Learning" 2023 (krc).
    Invariant: no
    Golden: scalarise, krc, log_sigmoid_centered

    Args:
        components: the parts.
        weights: one per component; ``None`` means 1.
        ideal: one per component; ``None`` means 0. The reference reward in ``log_sigmoid``.
        angle: of ``direction``, in degrees; it takes exactly two components.
        floor: smallest part of ``weighted_geometric``, above 0.
        lowest: bound of ``log_sigmoid``, so that one broken part cannot drown all others.
        scope: ``"step"`` combines the rewards of a step; ``"episode"`` the ``statistic`` of each over the
            episode, given on its last step.
        statistic: ``"sum"``, ``"mean"``, ``"max"`` or ``"last"``.

    Components: rewrites the listed ones.
    Metrics: ``<component>/posted``.
    Remembers: the statistics until the episode ends (``episode`` scope).

    Raises:
        UserError: when a listed component has not been posted.

    >>> from rewardax.wrappers import Progress, chain, replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[0.5, -0.5, 1.0], progress=[0.0, 0.5, 0.25, 0.5])
    >>> both = chain(near=Progress(), join=Scalarize(components=("task", "progress"), form="krc"))
    >>> numbers(replay(both, data)[0].total)
    [0.5, -0.354, 0.5]
    """

    components: tuple[str, ...] = static(("task",))
    form: str = static("linear")
    weights: tuple[float, ...] | None = None
    ideal: tuple[float, ...] | None = None
    angle: float = 0.0
    floor: float = 1e-3
    lowest: float = -20.0
    scope: str = static("step")
    statistic: str = static("sum")

    def __post_init__(self) -> None:
        check_choices(self, form=KINDS, scope=SCOPES, statistic=STATISTICS)
        check_lengths(self, self.components, weights=self.weights, ideal=self.ideal)
        if self.form == "direction" and len(self.components) != 2:
            raise UserError(f"Scalarize: a direction takes two components, not {self.components}; use 'linear'.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        joins = (
            cls(("task", "progress"), "log_sigmoid", weights=(1.0, 0.5), scope="episode"),
            cls(("task", "progress"), "krc"),
            cls(("task", "progress"), "direction", angle=30.0),
            cls(("task", "progress"), "weighted_geometric", floor=0.1),
        )
        return tuple(chain(near=Progress(), join=join) for join in joins)

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=begin(self.scope, self.statistic, example, len(self.components)))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        values, memory = collect(self.scope, self.statistic, state.episode, channels(rewards, self.components))
        parts = self.combine(values)
        for k, name in enumerate(self.components):
            rewards = rewrite(rewards, name, delivered(self.scope, transition, parts[:, k].astype(values.dtype)))
        return rewards, state._replace(episode=memory)

    def combine(self, values: Array) -> Array:
        """What the components [..., K] become; their sum over the last axis is R."""
        count = values.shape[-1]
        weights, ideal = (
            jnp.full((count,), default, values.dtype)
            if given is None
            else jnp.stack([jnp.asarray(x, values.dtype) for x in given])
            for given, default in ((self.weights, 1), (self.ideal, 0))
        )
        if self.form == "linear":
            return weighted(weights, values)
        if self.form == "direction":
            return direction(jnp.asarray(self.angle, values.dtype)) * values
        if self.form == "log_sigmoid":
            return weights * jnp.maximum(jax.nn.log_sigmoid(values - ideal), self.lowest)
        if self.form == "weighted_geometric":
            joined = weighted_geometric(values, weights, self.floor)
        elif self.form == "chebyshev":
            joined = chebyshev(values, weights, ideal)
        else:
            joined = krc(values)
        return joined[..., None] * (jnp.arange(count) == 0)


class Direction(RewardTransform):
    """Draw a preference between two rewards for every episode: R = cos(a)·r_1 + sin(a)·r_2.

    The angle a is uniform in [low, high] degrees and fixed within an episode. A goal-conditioned policy needs
    v = (cos a, sin a) as an input: before each step it is ``Direction.current(state)`` with this transform's
    own state. For an evaluation sweep fix the angle with ``Scalarize(form="direction")``. Both rewards must
    be on one scale.

    Paper: Haoxiang Wang et al. 2024, "Arithmetic Control of LLMs for Diverse User Preferences" (DPA).
    Invariant: no
    Golden: none

    Args:
        components: two names.
        low, high: in degrees. The paper's range -45 to 0 goes from counting the second reward against the first at
            equal weight to ignoring it.

    Components: rewrites both.
    Metrics: ``<component>/posted``, ``<component>/direction`` (v).
    Remembers: the angle of each environment's running episode, drawn when the one before ended.

    >>> from rewardax.wrappers import Progress, chain, replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 1.0, 1.0], progress=[0, 0, 0, 0], terminated=[0, 1, 0])
    >>> mix = Direction(components=("task", "progress"), low=-45.0, high=0.0)
    >>> a, b, c = numbers(replay(chain(near=Progress(), mix=mix), data)[0].total)
    >>> a == b != c, 0.7 < a <= 1.0
    (True, True)
    """

    components: tuple[str, ...] = static(("task", "shaping"))
    low: float = -45.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if len(self.components) != 2:
            raise UserError(f"Direction takes two components, not {self.components}.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (chain(near=Progress(), mix=cls(components=("task", "progress"))),)

    @staticmethod
    def current(state: State) -> Array:
        """The direction v [N, 2] that holds for the coming step."""
        return direction(state.env["angle"])

    def init(self, key: Array, example: Transition) -> State:
        env = jnp.arange(example.reward.shape[0])
        episode = jnp.zeros_like(env, jnp.uint32)  # goes round
        shared = key_bits(key)
        angle = self._draw(shared, env, episode).astype(example.reward.dtype)
        return State(env={"number": env, "episode": episode, "angle": angle}, shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        values = channels(rewards, self.components)
        memory, v = state.env, self.current(state)
        for k, name in enumerate(self.components):
            rewards = rewrite(rewards, name, v[:, k] * values[:, k]).log(f"{name}/direction", v[:, k])
        episode = memory["episode"] + transition.done
        drawn = self._draw(state.shared, memory["number"], episode).astype(values.dtype)
        angle = jnp.where(transition.done, drawn, memory["angle"])
        return rewards, state._replace(env={"number": memory["number"], "episode": episode, "angle": angle})

    def _draw(self, key: Array, env: Array, episode: Array) -> Array:
        def one(env: Array, episode: Array) -> Array:
            return jax.random.uniform(jax.random.fold_in(jax.random.fold_in(run, env), episode))

        run = jax.random.wrap_key_data(key)
        return self.low + (self.high - self.low) * jax.vmap(one)(env, episode)
