"""Count bonuses, EpisodicCount and GlobalCount: states that are rare in the episode or in the whole run."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.algebra.combine import Product
from rewardax.wrappers.bonuses.count_tables import Visits, add_visits, bucket, rarity
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, chain, static


class EpisodicCount(RewardTransform):
    """Pay for states that are rare in this episode: r_t = scale·N_e(o_{t+1})^(-exponent).

    The reached state is counted first, then N_e is read, so the first visit pays ``scale``. With
    ``first_visit`` only it pays: r_t = scale·1[N_e = 1]. ``count_reset_obs`` counts the first observation of
    an episode as well (without paying for it), so that bumping into a wall at the start is not new.

    Paper: Henaff, Jiang & Raileanu 2023, "A Study of Global and Episodic Bonuses for Exploration in Contextual MDPs".
    Invariant: no
    Golden: count_bonus, episodic_global_combo

    Args:
        num_keys: keys of each environment's table. Larger keys wrap around (collisions only lower the bonus); a
            key of several words is hashed. Memory is N·num_keys int32, of which a step touches N.
        feature: integer feature to count, i32[N] or uint32[N, words].
        exponent: 0.5 usual, 3 makes repeats worthless quickly.

    Components: ``component``.
    Remembers: visits i32[N, num_keys]; every episode counts from zero.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> out = replay(EpisodicCount(), rollout(state_id=[7, 5, 7, 7]))[0]
    >>> numbers(out.components["count"])
    [1.0, 1.0, 0.707, 0.577]
    """

    num_keys: int = static(1024)
    feature: str = static("state_id")
    scale: float = 1.0
    exponent: float = 0.5
    first_visit: bool = static(False)
    count_reset_obs: bool = static(True)
    component: str = static("count", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(num_keys=16), cls(num_keys=16, first_visit=True, count_reset_obs=False))

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(env=Visits.create(example.reward.shape[0], self.num_keys))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        start = bucket(transition.features[self.feature], self.num_keys)
        here = bucket(transition.next_features[self.feature], self.num_keys)
        visits, memory = state.env.visit(here, start, transition.first, self.count_reset_obs)
        bonus = rarity(visits, self.exponent, self.first_visit, transition.reward.dtype)
        return rewards.add(self.component, self.scale * bonus), State(env=memory)


class GlobalCount(RewardTransform):
    """Pay for states that are rare in the whole run: r_t = scale·N_g(o_{t+1})^(-exponent).

    One table for all environments, never forgotten. All environments of one step are counted before any of
    them is read, so the result does not depend on their order. Options as in :class:`EpisodicCount`.

    Paper: Strehl & Littman 2008; Henaff, Jiang & Raileanu 2023.
    Invariant: only in the limit, as the bonus fades
    Golden: count_bonus

    Components: ``component``.
    Remembers: visits [num_keys] for the whole run.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(state_id=[7, 7, 7], terminated=[True, False, False])
    >>> numbers(replay(GlobalCount(count_reset_obs=False), data)[0].components["count"])
    [1.0, 0.707, 0.577]
    """

    num_keys: int = static(4096)
    feature: str = static("state_id")
    scale: float = 1.0
    exponent: float = 0.5
    count_reset_obs: bool = static(True)
    component: str = static("count", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(num_keys=16),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=jnp.zeros((self.num_keys,), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        visits = state.shared
        if self.count_reset_obs:
            start = bucket(transition.features[self.feature], self.num_keys)
            visits = add_visits(visits, start, transition.first & transition.valid)
        here = bucket(transition.next_features[self.feature], self.num_keys)
        visits = add_visits(visits, here, transition.valid)
        bonus = rarity(visits[here], self.exponent, False, transition.reward.dtype)
        return rewards.add(self.component, self.scale * bonus), State(shared=visits)


def first_visit_times_global(
    num_keys: int = 1024, feature: str = "state_id", count_reset_obs: bool = True, component: str = "count"
) -> Product:
    """The study's robust choice: r_t = 1[N_e(o_{t+1}) = 1]·N_g(o_{t+1})^(-1/2), a product of two counts.

    >>> first_visit_times_global().inner.names
    ('first', 'everywhere')
    """
    common = {"num_keys": num_keys, "feature": feature, "count_reset_obs": count_reset_obs}
    first = EpisodicCount(**common, first_visit=True, component="first_visit")  # type: ignore[arg-type]
    everywhere = GlobalCount(**common, component="global")  # type: ignore[arg-type]
    return Product(chain(first=first, everywhere=everywhere), component=component)
