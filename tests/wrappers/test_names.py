"""Events and subgoals by name: every transform that names them, and every way to attach it to a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import jax
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

import rewardax
from rewardax.analysis import audit, certify, reward_mdp
from rewardax.base.errors import UserError
from rewardax.base.names import names_of
from rewardax.envs import GymEnv, GymVectorEnv, level_key, make
from rewardax.experiments.designs import resolve
from rewardax.wrappers import CaRL, EventBonus, RewardMachine, RewardWrapper, VectorRewardWrapper, chain, from_config
from rewardax.wrappers.config import registered
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.credit.plans import PlanMatch, call, subgoal_bonus

ENV, PARAMS = make("KeyFarm", horizon=12)
NAMES = names_of(ENV)
MACHINE = RewardMachine(
    transitions=(
        (0, 0, "!unlocked", 0.0),
        (0, 1, "unlocked & !finished", 0.5),
        (0, 2, "unlocked & finished", 1.0),
        (1, 1, "!finished", 0.0),
        (1, 2, "finished", 1.0),
    ),
    propositions=("finished", "unlocked"),
    terminal=(2,),
)
TAKE, OPEN = call("take"), call("open")
NAMED: dict[str, tuple[RewardTransform, RewardTransform]] = {  # by names, by positions
    "EventBonus": (EventBonus(("unlocked", "picked"), (2.0, 0.5)), EventBonus((2, 0), (2.0, 0.5))),
    "subgoals": (
        EventBonus(("at_goal",), latched=True, feature="subgoals"),
        EventBonus((2,), latched=True, feature="subgoals"),
    ),
    "subgoal_bonus": (
        subgoal_bonus({"past_door": 1.0, "has_key": 0.5}, feature="subgoals"),
        EventBonus((1, 0), (1.0, 0.5), True, "subgoals", component="subgoals"),
    ),
    "PlanMatch": (
        PlanMatch((OPEN, TAKE), (TAKE,), bits=("unlocked", "picked"), feature="events"),
        PlanMatch((TAKE, None, OPEN), (TAKE,), feature="events"),
    ),
    "RewardMachine": (MACHINE, MACHINE.replace(propositions=ENV.event_names)),
    "CaRL": (
        CaRL(flags={"dropped": 0.5, "past_door": 0.9}, events={"picked": 0.2}, infraction_feature="finished"),
        CaRL(flags={"events#1": 0.5, "subgoals#1": 0.9}, events={"events#0": 0.2}, infraction_feature="events#3"),
    ),
}


def unknown_of(reward: Any) -> RewardTransform:
    """The same reward, asking for something that no task has."""
    if isinstance(reward, RewardMachine):
        return reward.replace(propositions=("finished", "unlocked", "won"))
    if isinstance(reward, CaRL):
        return reward.replace(flags={"won": 0.5})
    field = "bits" if isinstance(reward, PlanMatch) else "events"
    return reward.replace(**{field: ("won", *getattr(reward, field)[1:])})


def paid(env: gym.Env) -> list[float]:
    env.reset(seed=0)
    return [float(env.step(action)[1]) for action in (1, 1, 2, 1, 1, 3, 1, 1)]


@pytest.mark.parametrize("name", NAMED)
def test_names_pay_what_positions_pay(name: str) -> None:
    named, placed = NAMED[name]
    assert named.bind(NAMES).bind(NAMES) == named.bind(NAMES), "bound once, bound for good"
    assert paid(RewardWrapper(GymEnv("KeyFarm"), named)) == paid(RewardWrapper(GymEnv("KeyFarm"), placed))


@pytest.mark.parametrize("name", NAMED)
def test_a_name_that_the_task_does_not_have_is_refused_with_those_it_has(name: str) -> None:
    reward = unknown_of(NAMED[name][0])
    with pytest.raises(UserError, match="'won'"):
        RewardWrapper(GymEnv("KeyFarm"), chain(part=reward))
    with pytest.raises(UserError, match=r"'won'.*(unlocked|past_door|subgoals)"):
        rewardax.train("KeyFarm", reward=reward, frames=1)


def test_every_way_to_attach_a_reward_finds_the_names() -> None:
    named, placed = chain(part=MACHINE), chain(part=MACHINE.replace(propositions=ENV.event_names))
    key = level_key("train", 0)
    tables = [reward_mdp(ENV, PARAMS, key, reward).reward for reward in (named, placed)]
    np.testing.assert_array_equal(*tables)
    wrong = chain(part=MACHINE.replace(propositions=("finished", "unlocked", "won")))
    assert resolve([("mine", named)], "KeyFarm")[0].reward == named, "bound where it runs, not where it is named"
    routes = {
        "gym.make": lambda reward: gym.make("rewardax/KeyFarm-v0", reward=reward),
        "native": lambda reward: VectorRewardWrapper(GymVectorEnv("KeyFarm", 2), reward),
        "sync": lambda reward: VectorRewardWrapper(SyncVectorEnv([lambda: GymEnv("KeyFarm")] * 2), reward),
        "certify": lambda reward: certify(ENV, PARAMS, key, reward, time_limit="end"),
        "audit": lambda reward: audit("KeyFarm", reward=reward, method="exact", horizon=12),
        "design": lambda reward: resolve([("mine", reward)], "KeyFarm"),
    }
    for route, attach in routes.items():
        attach(named)
        with pytest.raises(UserError, match="'won'"):
            attach(wrong)
            pytest.fail(route)


class Bell(gym.Env):
    """Rings at every second step, and says what its bits mean."""

    observation_space, action_space = gym.spaces.Discrete(2), gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        self.t = 0
        return 0, {"features": {"events": np.zeros(2, bool)}}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return 0, 0.0, False, False, {"features": {"events": np.array([True, self.t % 2 == 0])}}


class Named(gym.Wrapper):
    event_names = ("stepped", "rang")


def test_environments_of_others_name_their_bits_on_any_layer() -> None:
    machine = RewardMachine(
        ((0, 0, "!rang", 0.0), (0, 1, "rang", 1.0), (1, 1, "True", 0.0)), ("rang",), terminal=(), sign=0.0
    )
    env = RewardWrapper(gym.wrappers.TimeLimit(Named(Bell()), 9), chain(machine=machine, bonus=EventBonus(("rang",))))
    env.reset()
    assert [env.step(0)[1] for _ in range(4)] == [0.0, 2.0, 0.0, 1.0]
    many = VectorRewardWrapper(SyncVectorEnv([lambda: Named(Bell())] * 2), EventBonus(("rang",)))
    many.reset()
    assert [many.step(np.zeros(2, int))[1].tolist() for _ in range(2)] == [[0.0, 0.0], [1.0, 1.0]]
    with pytest.raises(UserError, match=r"'rang', but the bits of feature 'events' have no names here"):
        RewardWrapper(Bell(), EventBonus(("rang",)))
    unnamed = RewardWrapper(Bell(), machine)
    with pytest.raises(UserError, match="2 bits of feature 'events' have no names here"):
        unnamed.reset()


def parts_in(reward: RewardTransform) -> Iterator[RewardTransform]:
    inner = lambda x: isinstance(x, RewardTransform) and x is not reward  # noqa: E731
    return (x for x in jax.tree.leaves(reward, is_leaf=inner) if inner(x))


EXAMPLES = [
    (name, reward)
    for name, cls in sorted(registered().items())
    if issubclass(cls, RewardTransform) and cls.__module__.startswith("rewardax.")
    for reward in cls.examples()
]


@pytest.mark.parametrize(
    "reward", [x for _, x in EXAMPLES if list(parts_in(x))], ids=[n for n, x in EXAMPLES if list(parts_in(x))]
)
def test_parts_inside_of_other_rewards_are_bound(reward: RewardTransform) -> None:
    inner = lambda x: isinstance(x, RewardTransform) and x is not reward  # noqa: E731
    named = jax.tree.map(lambda x: EventBonus(("b",)) if inner(x) else x, reward, is_leaf=inner)
    assert {part.events for part in parts_in(named.bind({"events": ("a", "b")}))} == {(1,)}


def test_names_can_be_written_in_a_configuration() -> None:
    reward = from_config({"type": "EventBonus", "events": ["unlocked"], "scale": 2.0})
    assert reward.bind(NAMES) == EventBonus((2,), 2.0)
    assert EventBonus("unlocked").bind(NAMES) == EventBonus((2,))  # type: ignore[arg-type]
