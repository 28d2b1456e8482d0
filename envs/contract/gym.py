"""Rules about the Gymnasium faces of a task, each a generator of sentences about what is broken."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from gymnasium.utils.env_checker import check_env as gymnasium_check
from gymnasium.utils.env_checker import data_equivalence

from rewardax.envs.contract.core import programs
from rewardax.envs.core import Env
from rewardax.envs.gym.single import GymEnv
from rewardax.envs.gym.vector import GymVectorEnv

STEPS, MOST = 24, 400
Task = str | Env


def gymnasium_rules(task: Task, env_kwargs: Mapping[str, Any]) -> Iterator[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            gymnasium_check(GymEnv(task, features="all", **env_kwargs), skip_render_check=True)
        except Exception as error:
            yield f"Gymnasium's check_env fails: {error}"
    for warning in caught:
        yield f"Gymnasium's check_env warns: {warning.message}"


def saved_state(task: Task, env_kwargs: Mapping[str, Any]) -> Iterator[str]:
    env = GymEnv(task, features="all", **env_kwargs)
    _play(env, 0, 5)
    saved = env.get_state()
    first = _continue(env, 20)
    env.reset(seed=99)
    env.set_state(saved)
    if not data_equivalence(first, _continue(env, 20), exact=True):
        yield "after set_state the same actions lead elsewhere"


def routes(task: Task, env_kwargs: Mapping[str, Any]) -> Iterator[str]:
    """The single face, the vector face and the core tell the same story, also when an episode ends and the next begins.

    Played are ``STEPS`` steps, and more until an episode has ended and the next one has begun (at most ``MOST``).
    """
    single, envs = GymEnv(task, features="all", **env_kwargs), GymVectorEnv(task, 3, features="all", **env_kwargs)
    one: Any = single.reset(seed=1)
    many: Any = envs.reset(seed=0)
    core, params = single.core, single.params
    run, state = programs(core), single.state
    random = np.random.default_rng(0)
    begun = 0  # steps since an episode has ended
    for t in range(MOST):
        actions = random.integers(core.num_actions, size=3)
        actions[1] = random.choice(np.flatnonzero(one[-1]["action_mask"]))
        one, many = single.step(actions[1]), envs.step(actions)
        state, step = run.step(state, actions[1], params)
        ours = [float(one[1]), one[2], one[3]]
        theirs = [[float(step.reward), bool(step.terminated), bool(step.truncated)], [float(x[1]) for x in many[1:4]]]
        if not all(np.allclose(ours, other) for other in theirs):
            yield f"gym.make, make_vec and the core disagree about reward and ends at step {t + 1}"
            return
        ended = one[2] or one[3]
        if ended:
            if not alike(one[0], many[-1]["final_obs"][1]):
                yield f"the last observations of gym.make and make_vec differ at step {t + 1}"
                return
            one = single.reset()
            state = run.reset(one[-1]["level"], params)
        begun += bool(begun or ended)
        for name, left, right in (
            ("observations", one[0], {name: value[1] for name, value in many[0].items()}),
            ("features", one[-1]["features"], {name: many[-1]["features"][name][1] for name in one[-1]["features"]}),
            ("levels", one[-1]["level"], many[-1]["level"][1]),
            ("masks", one[-1]["action_mask"], many[-1]["action_mask"][1]),
        ):
            if not alike(left, right):
                yield f"{name} of gym.make and make_vec differ at step {t + 1}{' (a new episode)' if ended else ''}"
                return
        if t + 1 >= STEPS and begun > STEPS // 4:
            return


def alike(left: Any, right: Any) -> bool:
    """Equal numbers under equal names; floating ones up to the last bits."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(alike(left[name], right[name]) for name in left)
    return np.allclose(left, right, rtol=1e-5, atol=1e-6)


def text(task: Task, env_kwargs: Mapping[str, Any]) -> Iterator[str]:
    env = GymEnv(task, render_mode="ansi", features="all", **env_kwargs)
    env.reset(seed=0)
    shown = env.core.text(env.state, env.params)
    if not shown or not shown.isascii() or not isinstance(env.render(), str):
        yield "text() must describe the observation in plain ASCII, and render_mode='ansi' must give a string"


GYM_RULES: tuple[Callable[[Task, Mapping[str, Any]], Iterator[str]], ...] = (
    gymnasium_rules,
    saved_state,
    routes,
    text,
)


def _play(env: GymEnv, seed: int, steps: int) -> None:
    env.reset(seed=seed)
    for _ in range(steps):
        *_, terminated, truncated, _ = env.step(int(np.argmax(env.action_masks())))
        if terminated or truncated:
            env.reset()


def _continue(env: GymEnv, steps: int) -> list[Any]:
    seen: list[Any] = []
    for t in range(steps):
        allowed = np.flatnonzero(env.action_masks())
        seen.append(env.step(allowed[t % len(allowed)]))
        if seen[-1][2] or seen[-1][3]:
            seen.append(env.reset())
    return seen
