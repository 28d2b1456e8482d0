"""A trained policy plays, and what happens is told in lines or shown as a film."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym

import rewardax
from rewardax.agents import TrainedPolicy
from rewardax.base.errors import MissingPackage, UserError
from rewardax.envs.registry import task_id
from rewardax.terminal import Game

MILLISECONDS = 160  # of one frame


def transcript(
    policy: TrainedPolicy,
    levels: Iterable[int],
    *,
    env: str | None = None,
    greedy: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Play levels that are held out from training and tell each step: what is seen, done and paid.

    Args:
        policy: what plays.
        levels: their numbers, an episode each.
        env: id of the task; by default that of the policy.
        greedy: take the likeliest action instead of sampling.
        say: takes each line.

    Raises:
        UserError: a task of others, which does not tell itself in lines.
    """
    if policy.task.core is None:
        raise UserError(f"{policy.task.name} is shown as a film: ask for a file that ends in .gif")
    with closing(_made(policy, env, "ansi")) as made:
        game = Game(made, say)

        def act(game: Game) -> int:
            return policy.act(game.observation, game.info, greedy=greedy, reward=game.paid)

        for level in levels:
            policy.reset(level)
            game.watch(act, level)


def film(
    policy: TrainedPolicy, path: str | Path, levels: Iterable[int], *, env: str | None = None, greedy: bool = False
) -> int:
    """Play levels that are held out from training into a GIF; the number of its frames. Arguments as for
    :func:`transcript`.

    Raises:
        UserError: a task that is told and not drawn, or Pillow is not there.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingPackage('a film needs Pillow: pip install "rewardax[render]"') from None
    with closing(_made(policy, env, "rgb_array")) as made:
        frames = [Image.fromarray(frame) for level in levels for frame in _frames(policy, made, level, greedy)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
    return len(frames)


def _frames(policy: TrainedPolicy, env: gym.Env, level: int, greedy: bool) -> Iterator[Any]:
    """The pictures of one episode."""
    ours = policy.task.core is not None
    observation, info = env.reset(options={"level": level}) if ours else env.reset(seed=level)
    policy.reset(level)
    paid, over = 0.0, False
    yield env.render()
    while not over:
        action = policy.act(observation, info, greedy=greedy, reward=paid)
        observation, reward, terminated, truncated, info = env.step(action)
        paid, over = float(reward), terminated or truncated
        yield env.render()


def _made(policy: TrainedPolicy, env: str | None, render_mode: str) -> gym.Env:
    """The environment that a policy is watched in."""
    task = policy.task
    if task.core is None:
        return gym.make(env or task.name, render_mode=render_mode, **task.env_kwargs)
    if env is None and task.own:
        raise UserError(f"{task.name} has no id; play it with policy.act(observation, info)")
    name = task.name if env is None else task_id(env)
    kwargs = task.env_kwargs if name == task.name else {}
    if render_mode == "rgb_array" and not hasattr(rewardax.make(name, **kwargs)[0], "render"):
        raise UserError(f"{name} is told and not drawn: ask for a file that ends in .txt")
    more = {"features": policy.features, "split": "test", **kwargs}
    return gym.make(f"rewardax/{name}-v0", render_mode=render_mode, **more)
