"""KeyFarm: its rules, and the four exact totals that tell reward designs apart."""

from __future__ import annotations

import numpy as np
import pytest

from rewardax.analysis import backward_induction, policy_value, reward_mdp, trajectory, value_iteration
from rewardax.envs import GymEnv, card, enumerate_mdp, level_key, make
from rewardax.wrappers import EventBonus, GatedAccumulation, Weights, chain

LEFT, RIGHT, PICK, DROP = range(4)
BONUS = EventBonus(events=(0,), scale=0.1, component="bonus")
DESIGNS = {
    "sparse": (chain(), 1.0),
    "naive bonus": (BONUS, 3.8),
    "latched bonus": (BONUS.replace(latched=True), 1.1),
    "naive bonus behind a success gate": (
        chain(bonus=BONUS, gate=GatedAccumulation(components=("task", "bonus"), thresholds=(1.0, None))),
        3.8,
    ),
}


@pytest.fixture(scope="module")
def task():
    env, params = make("KeyFarm")
    return env, params, level_key("train", 0)


@pytest.mark.parametrize("design", DESIGNS)
def test_best_total_of_each_reward_design(task, design):
    reward, best = DESIGNS[design]
    mdp = reward_mdp(*task, reward)
    solution = value_iteration(mdp)
    assert solution.value[0] == pytest.approx(best, abs=1e-6)
    # whatever is farmed on the way, each of these optima does reach the goal
    assert policy_value(mdp, solution.policy, reward=mdp.performance)[0] == pytest.approx(1.0)


def test_the_farm_picks_the_key_up_28_times(task):
    mdp = reward_mdp(*task, BONUS)
    actions = trajectory(mdp, value_iteration(mdp).policy)
    assert len(actions) <= 60
    env = GymEnv("KeyFarm", features=("events",))
    env.reset(seed=0)
    picked = [bool(env.step(action)[-1]["features"]["events"][0]) for action in actions]
    assert sum(picked) == 28


def test_table_of_a_memoryless_reward_is_the_table_of_the_task(task):
    plain, rewarded = enumerate_mdp(*task), reward_mdp(*task, Weights({"task": 1.0}))
    assert value_iteration(plain).value[0] == value_iteration(rewarded).value[0] == 1.0
    # one state more: the start is distinguished as the first state of the episode
    assert plain.size[0] <= rewarded.size[0] <= plain.size[0] + 1


def test_without_the_clock_the_shortest_way_has_six_steps(task):
    mdp = enumerate_mdp(*task, forget=("t",))
    assert not mdp.truncated.any()
    totals = backward_induction(mdp, 60)[:, 0]
    assert totals[5] == 0.0 and totals[6] == 1.0 and totals[60] == 1.0
    assert value_iteration(mdp, 0.9).value[0] == pytest.approx(0.9**5)


def test_card_facts_are_those_of_the_task(task):
    env, params, key = task
    facts = card("KeyFarm")
    mdp = enumerate_mdp(env, params, key)
    chance = mdp.admissible / mdp.admissible.sum(1, keepdims=True)
    assert policy_value(mdp, chance)[0] == pytest.approx(facts["presets"]["KeyFarm"]["random_success"], abs=1e-6)
    assert facts["features"] == list(env.feature_names)
    assert facts["events"] == list(env.event_names) and facts["actions"] == env.num_actions
    ids = {int(env.features(_row(mdp.states, i), params)["state_id"]) for i in range(0, mdp.size[0], 97)}
    assert max(ids) < facts["state_ids"]


def test_rules_of_key_and_door():
    env = GymEnv("KeyFarm", features="all")
    env.reset(seed=0)
    script = [
        # action, position, key, valid
        (LEFT, 0, 2, False),
        (RIGHT, 1, 2, True),
        (PICK, 1, 2, False),
        (RIGHT, 2, 2, True),
        (RIGHT, 3, 2, True),
        (RIGHT, 3, 2, False),  # the door needs the key
        (LEFT, 2, 2, True),
        (PICK, 2, 4, True),
        (LEFT, 1, 4, True),
        (DROP, 1, 1, True),
        (DROP, 1, 1, False),
        (PICK, 1, 4, True),
        (RIGHT, 2, 4, True),
        (RIGHT, 3, 4, True),
        (RIGHT, 4, 4, True),
        (DROP, 4, 4, False),  # not in the doorway
        (PICK, 4, 4, False),
    ]
    for t, (action, position, key, valid) in enumerate(script):
        _, reward, terminated, truncated, info = env.step(action)
        assert (int(env.state.position), int(env.state.key)) == (position, key), t
        assert info["features"]["valid"] is valid, t
        assert reward == 0.0 and not terminated and not truncated
    _, reward, terminated, truncated, info = env.step(RIGHT)
    assert (reward, terminated, truncated, info["success"], info["performance"]) == (1.0, True, False, True, 1.0)


def test_the_clock_ends_the_episode_and_is_seen_only_with_a_time_bonus():
    env = GymEnv("KeyFarm", horizon=8, invalid_penalty=0.5)
    env.reset(seed=0)
    steps = [env.step(LEFT) for _ in range(8)]
    assert [step[3] for step in steps] == [False] * 7 + [True] and not steps[-1][2]
    assert steps[0][1] == -0.5 and steps[0][-1]["performance"] == 0.0
    assert all(step[0]["vector"][-1] == 0.0 for step in steps)
    timed = GymEnv("KeyFarm", time_bonus=0.9)
    timed.reset(seed=0)
    last = [timed.step(action) for action in (RIGHT, RIGHT, PICK, RIGHT, RIGHT, RIGHT)][-1]
    assert last[1] == pytest.approx(1 - 0.9 * 6 / 60) and last[0]["vector"][-1] == pytest.approx(0.1)


def test_value_iteration_refuses_a_cycle_that_pays(task):
    mdp = reward_mdp(*task, BONUS, forget=("t",))
    with pytest.raises(ValueError, match="some cycle pays"):
        value_iteration(mdp, max_sweeps=2000)


def test_tables_refuse_what_they_cannot_show(task):
    env, params, key = task
    with pytest.raises(ValueError, match="more than 10 states"):
        enumerate_mdp(env, params, key, max_states=10)
    with pytest.raises(ValueError, match="cannot forget 'clock'"):
        enumerate_mdp(env, params, key, forget=("clock",))
    with pytest.raises(ValueError, match="hindsight"):
        reward_mdp(
            env,
            params,
            key,
            GatedAccumulation(components=("task",), priority=(0,), thresholds=(None,), deliver="retro"),
        )


def _row(states, i):
    return type(states)(**{name: np.asarray(value)[i] for name, value in vars(states).items()})
