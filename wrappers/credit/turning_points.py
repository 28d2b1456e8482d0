"""Credit from the values of an episode's prefixes, in hindsight: steps that change the outcome are rewarded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.choices import check_choices
from rewardax.wrappers.algebra.episodes import flags, from_end, from_start, sums
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.shaping.potential import Phi, evaluate, reads_of


class PrefixCredit:
    """Mixin of transforms that post their component in ``learn``, from a value of every prefix of an episode."""

    causal = False
    value: Phi
    component: str

    @property
    def requires(self) -> tuple[str, ...]:
        return reads_of(self.value)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        return rewards.add(self.component, jnp.zeros_like(transition.reward)), state

    def _values(self, rollout: Transition) -> tuple[Array, Array]:
        """The values [T, N] before and after every step."""

        def read(observation: Any, features: Any) -> Array:
            return evaluate(self.value, observation, features, rollout.reward.dtype)

        return (
            jax.vmap(read)(rollout.observation, rollout.features),
            jax.vmap(read)(rollout.next_observation, rollout.next_features),
        )


def look_ahead_gains(
    before: Array,
    after: Array,
    rollout: Transition,
    gamma: float | Array = 0.7,
    look_ahead: int | Array = 4,
    tolerance: float | Array = 1e-5,
) -> Array:
    """Stepwise rewards [T, N] from the success rates before and after every step.

    A step with a gain D_j = after_j - before_j of at least ``tolerance`` gets it. A flat step gets the first gain
    D_k among the next ``look_ahead`` steps, times discount^(k - j), and 0 if they are all flat. If the episode ends
    first, it gets (after_last - before_j)·discount^(steps between). The rollout's edge counts as no gain.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> rate = jnp.array([0.0, 0.0, 0.0, 1.0])[:, None]
    >>> data = rollout(terminated=[False, False, True])
    >>> numbers(look_ahead_gains(rate[:-1], rate[1:], data, gamma=0.5))
    [0.25, 0.5, 1.0]
    """
    gamma = jnp.asarray(gamma, jnp.float32)

    def backwards(later: Any, row: Any) -> tuple[Any, Any]:
        step, before, after = row
        flats, gain, ended, last = later
        flats, gain = jnp.where(step.done, 0, flats), jnp.where(step.done, 0, gain)
        ended, last = ended | step.done, jnp.where(step.done, after, last)
        here = after - before
        flat = jnp.abs(here) < tolerance
        ahead = jnp.where(ended, (last - before) * gamma**flats, gain * gamma ** (flats + 1))
        out = jnp.where(flat, jnp.where(flats >= look_ahead, 0, ahead), here)
        memory = (jnp.where(flat, flats + 1, 0), jnp.where(flat, gain, here), ended & flat, last)
        memory = env_where(step.first, nothing, memory)
        return env_where(step.valid, memory, later), out

    zero = jnp.zeros_like(before[0])
    nothing = (jnp.zeros(zero.shape, jnp.int32), zero, jnp.zeros(zero.shape, bool), zero)
    return jax.lax.scan(backwards, nothing, (flags(rollout), before, after), reverse=True)[1]


class VSRM(PrefixCredit, RewardTransform):
    """Verifiable stepwise reward: pay the change of the success rate, and lend later changes to flat steps before.

    The success rate a is estimated at every cut point, by playing on from copies of the state; see
    :func:`look_ahead_gains` for the rule. Gains are given several times, to the step and to the flat steps before it:
    the sum is not a_n - a_0. The reward of the last step is overwritten by the outcome, which is the task's own
    reward; so this component pays 0 there.

    ``learn`` looks ahead within the rollout; beyond its edge no gain is seen.

    Paper: "Promoting Efficient Reasoning with Verifiable Stepwise Reward" 2025 (1benwu1/VSRM-Efficient-LRMs).

    Invariant: no

    Golden: vsrm

    Args:
        value: success rate in [0, 1]: name of a feature f32[N] or ``value(observation, features)``.
        scale: factor on everything.
        gamma: of a gain that is seen ahead, per step.
        look_ahead: largest number of flat steps to look over.
        tolerance: smaller changes are flat.
        keep_last: leave the last step its reward.

    Components: ``component``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(terminated=[False, False, False, True], progress=[0.0, 0.0, 0.5, 0.25, 1.0])
    >>> numbers(replay(VSRM(), data)[0].components["stepwise"])
    [0.35, 0.5, -0.25, 0.0]
    """

    value: Phi = static("progress")
    scale: float = 1.0
    gamma: float = 0.7
    look_ahead: int = 4
    tolerance: float = 1e-5
    keep_last: bool = static(False)
    component: str = static("stepwise", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(tolerance=0.3))

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        before, after = self._values(rollout)
        gains = look_ahead_gains(before, after, rollout, self.gamma, self.look_ahead, self.tolerance)
        earned = rollout.valid if self.keep_last else rollout.valid & ~rollout.done
        return rewards.put(self.component, self.scale * jnp.where(earned, gains, 0)), state


def turning_point_rewards(
    before: Array,
    after: Array,
    start: Array,
    final: Array,
    first: Array,
    last_sign: Array,
    *,
    main: str = "global",
    eta: float | Array = 1.0,
    first_step_bonus: bool = False,
    bonus_from_prefix: bool = False,
    drop_main: bool = False,
    only_if_final_up: bool = False,
    consistent_only: bool = False,
) -> tuple[Array, Array]:
    """Rewards and turning points (0/1) of steps, elementwise; all arrays have the same shape.

    ``before`` and ``after`` are R_{t-1} and R_t, ``start`` R_0, ``final`` R_f, ``first`` marks first steps and
    ``last_sign`` is s_{t-1}, see :class:`TurningPoints`. sgn(0) = 0: flat steps never turn anything.
    """
    gain, trend = after - before, final - start
    sign = jnp.sign(gain) * jnp.sign(trend)
    turning = jnp.where(first, sign > 0, (last_sign < 0) & (sign > 0))
    if not first_step_bonus:
        turning = turning & ~first
    if only_if_final_up:
        turning = turning & (trend > 0)
    if consistent_only:
        turning = turning & (jnp.sign(gain) == jnp.sign(final - after))
    turned = turning.astype(gain.dtype)
    if main == "global":
        base, bonus = trend, eta * turned * gain
    else:
        base, bonus = gain, eta * turned * (final - before if bonus_from_prefix else trend)
    return (jnp.where(bonus != 0, 0, base) if drop_main else base) + bonus, turned


class TurningPoints(PrefixCredit, RewardTransform):
    """TP-GRPO, reward side: steps that turn the local trend into the direction of the final one get a bonus.

    With R_t the value of the prefix after t steps and R_f the final reward, d_t = R_t - R_{t-1} and
    s_t = sgn(d_t)·sgn(R_f - R_0). Step t is a turning point if s_{t-1} < 0 and s_t > 0; the first step if s_1 > 0 and
    ``first_step_bonus``. Rewards: main_t + eta·1[turning]·bonus_t.

    ===========  ===========  =========================================================
    ``main``     main_t       bonus_t
    ===========  ===========  =========================================================
    ``global``   R_f - R_0    d_t (what the released configurations do)
    ``local``    d_t          R_f - R_0, or R_f - R_{t-1} with ``bonus_from_prefix`` (the paper)
    ===========  ===========  =========================================================

    Rows of episodes that are not complete within the rollout get d_t ("local") or 0 ("global").

    Paper: "Alleviating Sparse Rewards by Modeling Step-Wise and Long-Term Sampling Effects" 2025
    (YunzeTong/TurningPoint-GRPO).

    Invariant: no

    Golden: turning_point_reward, tp_grpo

    Args:
        value: R: name of a feature f32[N] or ``value(observation, features)``, e.g. a success rate.
        final: R_f is the ``"value"`` of the last observation, or the undiscounted ``"return"`` of the task.
        drop_main: turning points with a bonus get only the bonus.
        only_if_final_up: turning points only where R_f > R_0.
        consistent_only: turning points only where sgn(d_t) = sgn(R_f - R_t).

    Components: ``component``.
    Metrics: ``<component>/turning``, 1 on turning points.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(terminated=[False, False, False, True], progress=[0.5, 0.25, 0.0, 0.5, 1.0])
    >>> numbers(replay(TurningPoints(bonus_from_prefix=True), data)[0].components["turning"])
    [-0.25, -0.25, 1.5, 0.5]
    """

    whole_episodes = True

    value: Phi = static("progress")
    main: str = static("local")
    eta: float = 1.0
    first_step_bonus: bool = static(False)
    bonus_from_prefix: bool = static(False)
    drop_main: bool = static(False)
    only_if_final_up: bool = static(False)
    consistent_only: bool = static(False)
    final: str = static("value")
    component: str = static("turning", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, main=("global", "local"), final=("value", "return"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(first_step_bonus=True, bonus_from_prefix=True), cls(main="global", final="return"))

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        before, after = self._values(rollout)
        task, _, begun = sums(rollout, rollout.reward)
        known, (final, begun) = from_end(rollout, (after if self.final == "value" else task, begun))
        complete = known & begun
        start = from_start(rollout, before)
        sign = jnp.sign(after - before) * jnp.sign(final - start)

        def previous(last: Array, row: Any) -> tuple[Array, Array]:
            step, here = row
            return jnp.where(step.valid, here, last), last

        last_sign = jax.lax.scan(previous, jnp.zeros_like(sign[0]), (flags(rollout), sign))[1]
        switches = ("first_step_bonus", "bonus_from_prefix", "drop_main", "only_if_final_up", "consistent_only")
        value, turned = turning_point_rewards(
            *(before, after, start, final, rollout.first, last_sign),
            main=self.main,
            eta=self.eta,
            **{name: getattr(self, name) for name in switches},
        )
        rest = jnp.where(rollout.valid, after - before, 0) if self.main == "local" else jnp.zeros_like(value)
        rewards = rewards.put(self.component, jnp.where(complete, value, rest))
        return rewards.log(f"{self.component}/turning", jnp.where(complete, turned, 0)), state
