"""TextBandit: means, names, both modes, the posterior-optimal value of two arms, and a bandit that pays regret."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.envs import card, make
from rewardax.envs.contract.measure import play
from rewardax.envs.text.bandit.env import ARMS, TextBandit

ENV, PARAMS = make("TextBandit")
STEP, FEATURES = jax.jit(ENV.step), jax.jit(ENV.features)
STARTS = jax.jit(jax.vmap(ENV.reset, (0, None)))


def starts(count: int = 3000, **env_kwargs: float) -> Any:
    _, params = make("TextBandit", **env_kwargs)
    return STARTS(jax.random.split(jax.random.key(0), count), params), params


def test_the_best_arm_pays_70_and_others_40_at_most() -> None:
    states, _ = starts()
    percent = np.sort(np.asarray(states.percent), 1)
    assert (percent[:, -1] == 70).all() and percent[:, -2].max() == 40 and percent[:, 0].min() == 10
    best = np.bincount(np.asarray(states.percent).argmax(1), minlength=ARMS)
    assert (best > 480).all()
    assert (np.sort(np.asarray(states.names), 1)[:, 1:] > np.sort(np.asarray(states.names), 1)[:, :-1]).all()


def test_risky_names_pay_with_a_prior() -> None:
    for prior, low, high in ((0.0, 0.15, 0.25), (0.9, 0.88, 0.96), (1.0, 1.0, 1.0)):
        states, _ = starts(prior=prior)
        riskiest = np.asarray(states.names).argmax(1)
        share = (np.asarray(states.percent).argmax(1) == riskiest).mean()
        assert low <= share <= high


def test_pulls_pay_as_often_as_they_should() -> None:
    states, params = starts(1)
    state = jax.tree.map(lambda x: x[0], states)
    for arm in range(ARMS):
        chance = ENV.chances(state, jnp.int32(arm), params)
        np.testing.assert_allclose(chance[1], int(state.percent[arm]) / 100, atol=1e-6)
    keys = jax.random.split(jax.random.key(3), 4000)
    best = int(np.asarray(state.percent).argmax())
    _, step = jax.jit(jax.vmap(lambda k: ENV.step(ENV.rekey(state, k), jnp.int32(best), params)))(keys)
    assert abs(float(step.reward.mean()) - 0.7) < 0.03


def test_knowing_the_best_arm_is_worth_14() -> None:
    """The expected reward of always pulling it, from the chances themselves."""
    states, params = starts(1)
    state = jax.tree.map(lambda x: x[0], states)
    best = max(float(ENV.chances(state, jnp.int32(arm), params)[1]) for arm in range(ARMS))
    assert abs(best * ENV.horizon(params) - card("TextBandit")["presets"]["TextBandit"]["optimal_return"]) < 1e-5


def belief_values(horizon: int, identify: bool) -> float:
    """Posterior-optimal value of two arms that pay 70 and 40 of 100, either one the best with equal chance.

    Chances of a pay come from the environment: a level in which the first arm is the best, and one in which the
    second is.
    """
    states, params = starts(64, arms=2, spread=0)
    best = np.asarray(states.percent)[:, :2].argmax(1)
    chance = np.zeros((2, 2))  # [which one is best, arm]
    for which in range(2):
        level = int(np.flatnonzero(best == which)[0])
        state = jax.tree.map(lambda x, level=level: x[level], states)
        chance[which] = [float(ENV.chances(state, jnp.int32(arm), params)[1]) for arm in range(2)]

    @functools.cache
    def value(left: int, wins: tuple[int, int], losses: tuple[int, int]) -> float:
        weight = np.prod(chance ** np.array(wins) * (1 - chance) ** np.array(losses), 1)
        belief = weight / weight.sum()
        options = [belief.max()] if identify else [0.0] if left == 0 else []
        for arm in range(2) if left > (1 if identify else 0) else ():
            expected = float(belief @ chance[:, arm])
            more = [tuple(x + (k == arm) for k, x in enumerate(old)) for old in (wins, losses)]
            options.append(
                expected * ((not identify) + value(left - 1, more[0], losses))
                + (1 - expected) * value(left - 1, wins, more[1])
            )
        return max(options)

    return value(horizon, (0, 0), (0, 0))


def test_posterior_optimal_values_of_two_arms() -> None:
    """Identification is right in 65 % of the cases after one pull; regret cannot beat knowing the arm."""
    assert abs(belief_values(1, True) - 0.5) < 1e-6 and abs(belief_values(2, True) - 0.65) < 1e-6
    ten = belief_values(10, True)
    assert 0.75 < ten < 0.85 and belief_values(6, True) < ten
    assert abs(belief_values(1, False) - 0.55) < 1e-6
    assert 10 * 0.55 < belief_values(10, False) < 7.0


def test_naming_ends_the_episode_where_it_is_asked_for() -> None:
    states, params = starts(1, mode=1)
    state = jax.tree.map(lambda x: x[0], states)
    best = int(np.asarray(state.percent).argmax())
    for arm in range(ARMS):
        after, step = STEP(state, jnp.int32(ARMS + arm), params)
        features = FEATURES(after, params)
        assert bool(step.terminated) and float(step.reward) == (arm == best)
        assert bool(features["success"]) == (arm == best) and bool(features["failure"]) == (arm != best)
    assert "and you are wrong." in ENV.text(after, params) or best == ARMS - 1
    _, out = STEP(state, jnp.int32(best), params)
    assert float(out.reward) == 0 and not bool(out.terminated)
    _, refused = STEP(state, jnp.int32(ARMS), PARAMS)
    assert not bool(refused.terminated)
    assert ENV.parse(ENV.render_action(ARMS, state), state, PARAMS) == (None, "here you can only pull.")


def test_twenty_pulls_end_the_game() -> None:
    found = play(ENV, PARAMS, np.arange(64), "random")
    assert (found.steps == 20).all() and not found.truncated.any() and not found.success.any()
    assert 5 < found.total.mean() < 9


def test_counts_are_shown() -> None:
    states, params = starts(1, arms=2)
    state = jax.tree.map(lambda x: x[0], states)
    wins = 0
    for _ in range(3):
        state, step = STEP(state, jnp.int32(1), params)
        wins += int(step.reward)
    assert f"pays in {wins} of 3 pulls." in ENV.text(state, params) and "arm is new." in ENV.text(state, params)


@dataclasses.dataclass(frozen=True)
class WrongSign(TextBandit):
    """Pays the regret of each pull as if it were a reward, as a published bandit does."""

    def outcome(self, state: Any, action: Any, index: Any, params: Any) -> Any:
        new, step = super().outcome(state, action, index, params)
        arm = jnp.clip(action, 0, ARMS - 1)
        lost = (state.percent.max() - state.percent[arm]) / jnp.float32(100)
        return new, step.replace(reward=lost.astype(jnp.float32))


@pytest.mark.parametrize(("env", "honest"), [(TextBandit(), True), (WrongSign(), False)])
def test_the_wrong_sign_shows_in_the_order_of_policies(env: TextBandit, honest: bool) -> None:
    """Pulling the best arm must not be worth less than pulling the worst."""
    states, params = starts(64)

    def total(pick: Any) -> float:
        arms = jax.vmap(pick)(states.percent)
        return float(sum(jax.vmap(env.outcome, (0, 0, None, None))(states, arms, i, params)[1].reward.sum()
                         for i in (0, 1)))  # fmt: skip

    worst = lambda percent: jnp.argmin(jnp.where(percent < 0, 999, percent))  # noqa: E731
    assert (total(jnp.argmax) >= total(worst)) == honest
