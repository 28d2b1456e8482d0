"""Does a reward run at all? A rollout with it is traced, not computed, before anything is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.agents.host import HostEnvs, pick_encoder
from rewardax.agents.ppo import PPOConfig
from rewardax.agents.rollout import example_transition, look, move
from rewardax.agents.runs.labels import JudgeDesk
from rewardax.base.errors import UserError
from rewardax.envs.core import Env
from rewardax.envs.registry import make
from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition, advance
from rewardax.wrappers.requirements import attach


def rehearse(
    env: str, foreign: bool, reward: RewardTransform, judge: Any, config: PPOConfig, env_kwargs: Mapping[str, Any]
) -> None:
    """Trace a rollout of a task with a reward, ``learn`` included; in a foreign environment, play two steps.

    Args:
        env: task id.
        foreign: whether it is Gymnasium's and not one of ours.
        reward: the transform.
        judge: what labels its captions.
        config: settings of the learner.
        env_kwargs: parameters of the task.

    Raises:
        UserError: it cannot run; the message says why.
    """
    try:
        if foreign:
            _play(env, reward, config, dict(env_kwargs))
        else:
            core, params = make(env, **env_kwargs)
            _trace(core, params, attach(reward, core, where=core.family), judge, config)
    except UserError:
        raise
    except Exception as error:  # whatever code of a user's own raises
        reason = str(error).strip().partition("\n")[0]
        hint = "; a reward names the features it reads in `requires`, a function in `phi.requires`"
        lost = isinstance(error, KeyError)
        raise UserError(f"the reward does not run: {type(error).__name__}: {reason}{hint if lost else ''}") from error


def _trace(env: Env, params: PyTree, reward: RewardTransform, judge: Any, config: PPOConfig) -> None:
    """Shapes of a rollout under action 0, without running it."""
    count = config.num_envs

    def rollout(key: Array, feedback: Any) -> tuple[Rewards, State]:
        state = jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(key, count), params)
        moment = look(env, params, reward, lambda *seen: (), state)
        action, first = jnp.zeros((count,), jnp.int32), jnp.ones((count,), bool)
        memory = reward.init(key, example_transition(moment, action))

        def step(carry: tuple[Any, State], _: None) -> tuple[tuple[Any, State], tuple[Rewards, Transition]]:
            moment, memory_now = carry
            after, transition, _score = move(env, params, reward, lambda *seen: (), moment, action, first)
            rewards, new = advance(reward, memory_now, memory.episode, transition)
            return (after, new), (rewards, transition)

        (_, last), (rewards, data) = jax.lax.scan(step, (moment, memory), length=config.num_steps)
        return reward.learn(rewards, last, data, feedback)

    with closing(JudgeDesk(reward, judge, env.captions, env.subgoal_names)) as desk:
        jax.eval_shape(rollout, jax.random.key(0), desk.feedback())


def _play(env: str, reward: RewardTransform, config: PPOConfig, env_kwargs: dict[str, Any]) -> None:
    few = dataclasses.replace(config, num_envs=2, num_steps=2, minibatches=1)
    world = HostEnvs(env, reward, few, 0, pick_encoder(env, env_kwargs), env_kwargs)
    with closing(world.envs):
        for _ in range(few.num_steps):
            world.step(np.argmax(world.mask, 1))
