"""The tasks with Minigrid's names are Minigrid's: the same answers to the same actions, and states to import."""

from __future__ import annotations

import gymnasium as gym
import jax
import numpy as np
import pytest

pytest.importorskip("minigrid")
from minigrid_levels import compare, named_tasks, source_of
from support.tiers import by_default

from rewardax.envs import make
from rewardax.envs.grid.engine.codes import BALL, BOX, CONTENTS, KEY
from rewardax.envs.grid.engine.object_task import read_mission
from rewardax.envs.grid.minigrid.levels import from_minigrid, task_of
from rewardax.envs.oracle import oracle_action

# one size of each family; `python -m tests.minigrid_levels` plays all of them
PLAYED = [
    *("Empty-Random-6x6", "FourRooms", "DoorKey-6x6", "MultiRoom-N2-S4", "KeyCorridor-S3R2", "Unlock", "UnlockPickup"),
    *("BlockedUnlockPickup", "ObstructedMaze-1Dlhb", "Memory-S7", "GoToDoor-6x6", "GoToObject-6x6-N2", "Fetch-6x6-N2"),
    *("PutNear-6x6-N2", "GoToLocal-S6N4", "PickupDist", "PutNextLocal-S5N3", "OpenDoorColor"),
]


BY_DEFAULT = ("DoorKey-6x6", "KeyCorridor-S3R2", "PutNear-6x6-N2")


@pytest.mark.parametrize("name", by_default(BY_DEFAULT, [name for name in PLAYED if name not in BY_DEFAULT]))
def test_same_levels_and_actions_give_the_same_answers(name: str) -> None:
    result = compare(name, levels=12, length=60)
    assert result.mismatches == 0 and result.steps > 30
    assert result.successes > 0 or name.startswith("PutNext")


def test_names_are_minigrids_names() -> None:
    named = named_tasks()
    assert {name.split("-")[0] for name in PLAYED} <= {name.split("-")[0] for name in named}
    assert named["KeyCorridor-S6R3"] == "MiniGrid-KeyCorridorS6R3-v0"
    assert named["MultiRoom-N4-S5"] == "MiniGrid-MultiRoom-N4-S5-v1"
    assert named["GoToLocal-S8N7"] == "BabyAI-GoToLocalS8N7-v0" and "MultiRoom-N4" not in named
    assert len(named) >= 60


@pytest.mark.parametrize(
    "name", by_default(["BlockedUnlockPickup"], ["ObstructedMaze-1Dlh", "KeyCorridor-S3R3", "PutNear-6x6-N2"])
)
def test_import_in_mid_episode_is_the_state_reached_by_playing(name: str) -> None:
    """Objects carried, boxes opened, doors unlocked: the imported state is the own one, and the oracle agrees."""
    source = gym.make(str(source_of(name))).unwrapped
    source.reset(seed=5)
    env, params = task_of(source)
    state = from_minigrid(source)
    step, left = jax.jit(env.step), jax.jit(env.oracle_steps)
    act = jax.jit(lambda s: oracle_action(env, s, params))
    promised, t = int(left(state)), 0
    while True:
        action = int(act(state))
        state, out = step(state, action, params)
        _, reward, terminated, _, _ = source.step(action)
        t += 1
        if terminated:
            break
        again = from_minigrid(source)
        for field in ("t", "position", "direction", "carry", "grid", "instruction"):
            np.testing.assert_array_equal(getattr(again, field), getattr(state, field), field)
        assert int(left(again)) == int(left(state)) == promised - t
    assert bool(out.terminated) and t == promised and reward == pytest.approx(float(out.reward), abs=1e-6)


def test_import_knows_what_a_box_holds_and_what_was_moved() -> None:
    source = gym.make("MiniGrid-ObstructedMaze-1Dlhb-v0").unwrapped
    source.reset(seed=1)
    state, (env, params) = from_minigrid(source), task_of(source)
    chest = int(state.landmarks[3])
    code = int(state.grid.reshape(-1)[chest])
    assert code & 15 == BOX and (code >> CONTENTS) & 15 == KEY
    assert int(params.hidden) == int(params.blocked) == 1 and env.mission_ids(state).any()
    source.carrying, box = source.grid.get(chest % env.shape[1], chest // env.shape[1]), None
    source.grid.set(chest % env.shape[1], chest // env.shape[1], box)
    carried = from_minigrid(source)
    assert int(carried.carry) == code and int(env.oracle_steps(carried)) > 0
    assert (np.asarray(carried.origin)[:-1].reshape(env.shape) & 15 == BALL).sum() == 2


def test_foreign_environments_and_sentences_are_refused() -> None:
    source = gym.make("MiniGrid-LockedRoom-v0")
    source.reset(seed=0)
    with pytest.raises(ValueError, match="no task for LockedRoomEnv"):
        task_of(source)
    env, _ = make("Fetch-6x6-N2")
    assert read_mission(env, "you must fetch a grey ball") == (4, BALL | 5 << 4, 0)
    for sentence in ("fetch a grey wall", "fetch a pink key", "steal a grey key"):
        with pytest.raises(ValueError, match="Fetch has no mission"):
            read_mission(env, sentence)
