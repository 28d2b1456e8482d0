"""DynamicObstacles: Minigrid's rules with its own moves injected, chances of the balls, exact values of a tiny room."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.analysis import backward_induction, policy_value
from rewardax.envs import card, enumerate_mdp, level_key, make, reset_level
from rewardax.envs.grid.engine.codes import BALL, DX, DY, FORWARD, LEFT, RIGHT
from rewardax.envs.grid.engine.rules import REACHED_GOAL
from rewardax.envs.grid.minigrid.levels import from_minigrid, task_of
from rewardax.envs.grid.tasks.dynamic_obstacles import (
    BALL_CELL,
    FORESTALLED,
    HIT_BALL,
    HIT_WALL,
    STILL,
    DynamicObstacles,
)
from rewardax.envs.levels import branch


@functools.partial(jax.jit, static_argnums=0)
def levels(env, params, numbers):
    return jax.vmap(lambda i: reset_level(env, params, i))(numbers)


@functools.partial(jax.jit, static_argnums=0)
def injected(env, state, ways, action, params):
    """A step in which the balls roll as they are instructed."""
    moved = env.walk(state, env.roll(state, lambda ball, free: ways[ball])[0], action)
    new, step = env.settle(state, moved, action, params)
    return new, step, env.observe(new, params)


def room(env, params, agent, direction, balls):
    """A state with the agent and the balls at (x, y)."""
    cells = jnp.array([y * env.size + x for x, y in balls], jnp.int32)
    state = reset_level(env, params, 0)
    bare = jnp.where(state.grid == BALL_CELL, 1, state.grid).reshape(-1)
    return state.replace(
        grid=bare.at[cells].set(BALL_CELL).reshape(env.shape),
        obstacles=cells,
        position=jnp.int32(agent[1] * env.size + agent[0]),
        direction=jnp.int32(direction),
    )


# the package -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("5x5", 1500),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [("8x8", 1500), ("Random-6x6", 800), ("16x16", 600)]),
    ],
)
def test_the_same_as_minigrid_when_the_balls_roll_the_same(name, steps):
    gym = pytest.importorskip("gymnasium")
    pytest.importorskip("minigrid")
    source = gym.make(f"MiniGrid-Dynamic-Obstacles-{name}-v0").unwrapped
    env, params = task_of(source)
    assert isinstance(env, DynamicObstacles) and env.horizon(params) == source.max_steps
    if not name.startswith("Random"):
        assert env == make(f"DynamicObstacles-{name}")[0]
    rng, state, ends, rolled = np.random.default_rng(len(name)), None, set(), 0
    for _ in range(steps):
        if state is None:
            source.reset(seed=int(rng.integers(2**31)))
            state = from_minigrid(source)
        action = int(rng.choice([LEFT, RIGHT, FORWARD], p=[0.15, 0.2, 0.65]))
        old = [np.array(ball.cur_pos) for ball in source.obstacles]
        obs, reward, terminated, truncated, _ = source.step(action)
        moves = [np.array(ball.cur_pos) - before for ball, before in zip(source.obstacles, old, strict=True)]
        rolled += any(m.any() for m in moves)
        ways = jnp.array([STILL + dx + 3 * dy for dx, dy in moves], jnp.int32)
        state, step, seen = injected(env, state, ways, jnp.int32(action), params)
        np.testing.assert_array_equal(seen["grid"], obs["image"])
        assert int(seen["direction"]) == obs["direction"]
        assert float(step.reward) == pytest.approx(reward, abs=1e-6) == float(step.performance)
        assert (bool(step.terminated), bool(step.truncated)) == (terminated, truncated)
        if terminated or truncated:
            ends.add(int(state.outcome))
            state = None
    assert rolled > steps // 2 and {HIT_BALL, HIT_WALL} & ends
    assert name != "5x5" or {HIT_BALL, HIT_WALL, REACHED_GOAL} <= ends


# the rules ---------------------------------------------------------------------------------------------------

WAY = {(dx, dy): STILL + dx + 3 * dy for dx in (-1, 0, 1) for dy in (-1, 0, 1)}


@pytest.mark.parametrize(
    ("agent", "ball", "way", "outcome", "moves"),
    [
        ((1, 1), (2, 1), (1, 0), HIT_BALL, True),  # it rolls out of the way, which does not help
        ((1, 1), (2, 1), (1, 1), HIT_BALL, True),
        ((1, 2), (2, 1), (0, 1), FORESTALLED, False),  # it rolls into the way
        ((3, 1), (1, 2), (0, 1), HIT_WALL, False),
        ((2, 3), (1, 1), (1, 0), REACHED_GOAL, True),
    ],
)
def test_balls_roll_first(agent, ball, way, outcome, moves):
    env, params = make("DynamicObstacles-5x5", obstacles=1)
    state = room(env, params, agent, 0, [ball])
    new, step, _ = injected(env, state, jnp.array([WAY[way]]), jnp.int32(FORWARD), params)
    assert int(new.outcome) == outcome and (int(new.position) != int(state.position)) == moves
    collided = outcome in (HIT_BALL, HIT_WALL)
    assert bool(step.terminated) == (collided or outcome == REACHED_GOAL)
    assert float(step.reward) == float(step.performance) == (-1.0 if collided else float(outcome == REACHED_GOAL))
    features = jax.jit(env.features)(new, params)
    assert (bool(features["failure"]), bool(features["success"])) == (collided, outcome == REACHED_GOAL)
    assert bool(features["valid"]) and env.captions[int(features["caption_id"])] == env.outcomes_of_steps[outcome][0]
    assert features["events"][env.event_names.index("collided")] == collided
    free, _, _ = injected(env, state, jnp.array([WAY[way]]), jnp.int32(LEFT), params)
    assert int(free.ended) == 0 and int(free.direction) == 3


def test_a_collision_may_cost_nothing():
    env, params = make("DynamicObstacles-5x5", obstacles=1, collision=0.0)
    _, step, _ = injected(
        env, room(env, params, (1, 1), 3, [(3, 1)]), jnp.array([STILL + 3]), jnp.int32(FORWARD), params
    )
    assert bool(step.terminated) and float(step.reward) == 0.0


def test_a_ball_that_is_shut_in_stays():
    env, params = make("DynamicObstacles-5x5", obstacles=3)
    # a corner cell whose three neighbors are the agent and two balls
    state = room(env, params, (2, 2), 0, [(1, 1), (2, 1), (1, 2)])
    _, chance = env.roll(state, lambda ball, free: jnp.int32(STILL) if ball == 0 else jnp.argmax(free))
    new, _ = jax.jit(env.step)(state, jnp.int32(LEFT), params)
    assert float(chance) > 0 and int(new.obstacles[0]) == 6
    assert float(env.roll(state, lambda ball, free: jnp.int32(STILL))[1]) == 0.0  # the others must roll


def test_levels_are_as_minigrid_draws_them():
    env, params = make("DynamicObstacles-6x6")
    states = levels(env, params, jnp.arange(3000))
    cells = np.asarray(states.obstacles)
    assert (states.position == 7).all() and (states.direction == 0).all() and env.obstacles == 3
    assert all(len(set(row)) == 3 for row in cells.tolist())
    x, y = cells % 6, cells // 6
    assert x.min() == y.min() == 1 and x.max() == y.max() == 4
    counts = np.bincount(cells.reshape(-1), minlength=36)
    free = [c for c in np.arange(36) if counts[c]]
    assert len(free) == 14 and 7 not in free and 28 not in free  # neither the agent's cell nor the goal's
    assert np.abs(counts[free] / 9000 - 1 / 14).max() < 0.012
    balls = (np.asarray(states.grid).reshape(3000, -1) & 15) == BALL
    assert (np.flatnonzero(balls[5]) == np.sort(cells[5])).all() and (balls.sum(1) == 3).all()


def test_the_balls_follow_the_listed_chances_and_replay():
    env, params = make("DynamicObstacles-5x5")
    state = room(env, params, (2, 1), 1, [(3, 2), (2, 3)])
    chance, listed, _ = jax.jit(env.outcomes)(state, jnp.int32(LEFT), params)
    assert float(chance.sum()) == pytest.approx(1.0, abs=1e-6) and int((chance > 0).sum()) == 7
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = jax.jit(jax.vmap(lambda key: env.step(env.rekey(state, key), jnp.int32(LEFT), params)[0].obstacles))(keys)

    def shares(cells, weights):
        return np.bincount(cells[:, 0] * 25 + cells[:, 1], weights, 625)

    stated = shares(np.asarray(listed.obstacles), np.asarray(chance))
    seen = shares(np.asarray(drawn), np.full(20_000, 1 / 20_000))
    assert np.abs(stated - seen).max() < 0.01 and (seen[stated == 0] == 0).all()
    step = jax.jit(env.step)
    again = [step(state, jnp.int32(LEFT), params)[0].obstacles.tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_more_balls_than_can_be_listed():
    env, params = make("DynamicObstacles-8x8")
    with pytest.raises(ValueError, match="4 balls roll in too many ways"):
        env.outcomes(reset_level(env, params, 0), jnp.int32(0), params)
    with pytest.raises(ValueError, match="1 to 3 fit"):
        make("DynamicObstacles-5x5", obstacles=4)


# exact values of the smallest room ---------------------------------------------------------------------------


@functools.cache
def table():
    env, params = make("DynamicObstacles-5x5")
    return enumerate_mdp(env, params, level_key("train", 0), forget=("t", "reached", "fresh", "outcome"))


def begin(mdp):
    """States in which an episode can begin: all placements of the balls are equally likely."""
    at = (np.asarray(mdp.states.position) == 6) & (np.asarray(mdp.states.direction) == 0) & ~mdp.over
    assert at.sum() == 7 * 6
    return at


def test_patience_wins_in_the_smallest_room():
    mdp, facts = table(), card("DynamicObstacles")["presets"]["DynamicObstacles-5x5"]
    values = backward_induction(mdp, 100)[:, begin(mdp)].mean(1)
    assert values[100] == pytest.approx(facts["optimal_return"], abs=1e-6)
    for horizon, value in facts["optimal_return_within"].items():
        assert values[int(horizon)] == pytest.approx(value, abs=1e-6)
    assert values[4] == 0.0 < values[5]  # five actions at least


def test_a_collision_is_never_bad_luck():
    """What a step forward runs into is what stood there before the balls rolled: it can be seen beforehand."""
    mdp = table()
    collides = (mdp.chance * mdp.terminated * (mdp.outcome_reward < 0)).sum(2)
    assert set(np.unique(collides.round(9))) == {0.0, 1.0} and not collides[:, [LEFT, RIGHT]].any()


def test_random_play_in_the_smallest_room():
    mdp, facts = table(), card("DynamicObstacles")["presets"]["DynamicObstacles-5x5"]
    uniform, at = np.full(mdp.size, 1 / 3), begin(mdp)
    won = (mdp.chance * mdp.terminated * (mdp.outcome_reward > 0)).sum(2)
    low, high = facts["random_interval"]
    assert low < policy_value(mdp, uniform, reward=won)[at].mean() < high
    assert policy_value(mdp, uniform)[at].mean() == pytest.approx(facts["random_return"], abs=0.03)


def test_a_table_of_positions_follows_the_agent():
    env, params = make("DynamicObstacles-5x5")
    state = branch(reset_level(env, params, 3), 2)
    moved = state.replace(position=state.position + jnp.array([0, int(DX[0] + 5 * DY[0])]))
    assert jax.vmap(env.state_id)(moved).tolist() == [24, 28] and env.num_state_ids == 100
    hashes = jax.jit(jax.vmap(lambda state: env.features(state, params)["state_hash"]))(moved)
    assert (hashes[0] != hashes[1]).any()
