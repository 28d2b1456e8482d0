"""Training on any Gymnasium vector environment: rollouts on the host, updates compiled, the same learner."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardax.agents.algorithm import Algorithm
from rewardax.agents.batch import Batch
from rewardax.agents.distributions import choose, log_prob
from rewardax.agents.networks import Policy
from rewardax.agents.networks.custom import Builder
from rewardax.agents.networks.encoders import Last, at_start
from rewardax.agents.policies.task import ASKED, foreign_task
from rewardax.agents.policies.view import Encode, ForeignView, encoder_of
from rewardax.agents.ppo import PPOConfig, build_policy, ppo
from rewardax.agents.runs.finite import GIVEN, GRADIENT, NEVER, TOTAL, require_finite
from rewardax.agents.runs.labels import JudgeDesk
from rewardax.agents.runs.loop import OnChunk, Record, TrainResult, before_training, plan, run_chunks
from rewardax.agents.samplers.segments import Segments
from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError, as_user_error
from rewardax.base.seeds import as_seeds, spread
from rewardax.wrappers.core import PyTree, RewardTransform, chain
from rewardax.wrappers.encoders import minigrid
from rewardax.wrappers.gym.final import with_final
from rewardax.wrappers.gym.vector import VectorRewardWrapper, told_by_all

HIDDEN = "performance"  # the name under which an environment tells its true score


class HostEnvs:
    """A vector environment with a reward around it, seen through an encoder, in SAME_STEP autoreset."""

    def __init__(
        self,
        env_id: str,
        reward: RewardTransform,
        config: PPOConfig,
        seed: int,
        encode: Encode,
        env_kwargs: dict,
    ):
        with as_user_error(ASKED.format(env_id, env_kwargs), gym.error.Error, TypeError):
            envs = gym.make_vec(
                env_id,
                num_envs=config.num_envs,
                vectorization_mode="sync",
                vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
                **env_kwargs,
            )
        self.encode = encode
        self.see = ForeignView(envs.single_observation_space, encode)
        self.task = foreign_task(env_id, env_kwargs, envs.single_observation_space, envs.single_action_space)
        self.envs = VectorRewardWrapper(envs, reward, encode=encode, learn_every=config.num_steps, seed=seed)
        observation, info = self.envs.reset(seed=[*spread(seed, config.num_envs)])
        self.now, _ = self.see(observation, info)
        self.space = self.see.space
        self.num_actions, self.offset = self.task.num_actions, self.task.start
        self.first = np.ones(config.num_envs, bool)
        self.last = at_start(config.num_envs)
        self.mask_actions = config.mask_actions
        self.mask = self._mask(info)

    def step(self, action: np.ndarray) -> dict[str, Any]:
        """One step; ``now``, ``last``, ``first`` and ``mask`` move on to what the next action sees."""
        observation, reward, terminated, truncated, info = self.envs.step(action + self.offset)
        done = terminated | truncated
        after, reached = observation, observation
        if done.any():
            reached = with_final(observation, info["final_obs"], done)
        self.now, _ = self.see(after, info)
        last = Last(jnp.asarray(action, jnp.int32), jnp.asarray(info["task_reward"], jnp.float32))
        row = {
            "next": (self.see(reached, info)[0], last),
            "reward": np.asarray(reward, np.float32),
            "terminated": np.asarray(terminated),
            "truncated": np.asarray(truncated & ~terminated),
            "first": self.first,
            "info": info,
        }
        self.last = env_where(jnp.asarray(done), at_start(len(done)), last)
        self.first, self.mask = done, self._mask(info)
        return row

    def _mask(self, info: Mapping[str, Any]) -> np.ndarray:
        full = np.ones((self.envs.num_envs, self.num_actions), bool)
        known = self.mask_actions and "action_mask" in info
        return np.stack(info["action_mask"]).astype(bool) if known else full


def pick_encoder(env_id: str, env_kwargs: dict) -> Encode:
    """Minigrid's encoder for observations that look like Minigrid's, else the identity."""
    with as_user_error(ASKED.format(env_id, env_kwargs), gym.error.Error, TypeError):
        return encoder_of(gym.make(env_id, **env_kwargs).observation_space)


def train_host(
    env_id: str,
    *,
    reward: RewardTransform | None,
    config: PPOConfig,
    frames: int,
    seeds: int | Sequence[int],
    on_chunk: OnChunk | None = None,
    logs: Sequence[Callable[[Record], None]] = (),
    eval_levels: int = 512,
    env_kwargs: dict | None = None,
    judge: Any = None,
    network: Builder | None = None,
) -> TrainResult:
    """Train PPO on a Gymnasium id, one seed after the other inside each chunk.

    The environments' state cannot be saved, so such a run cannot be resumed. A judge labels the ``captions`` that the
    environment, or a wrapper in it, has; its feature ``caption_id`` says which one is due. ``final`` comes from the
    last ``eval_levels`` finished training episodes of each seed.
    """
    env_kwargs = env_kwargs or {}
    reward = chain() if reward is None else reward
    seeds = as_seeds(seeds)
    encode = pick_encoder(env_id, env_kwargs)
    if config.sampler == "episodes":
        raise UserError(
            f"sampler='episodes' starts environments from levels of their own choosing, which {env_id} does not offer; "
            "it needs a task of rewardax. Take sampler='auto' with num_steps as long as an episode"
        )
    sampler = Segments(config.num_envs, config.num_steps, config.mask_actions)
    notes = before_training(reward, sampler, _horizon(env_id, env_kwargs))
    worlds = [HostEnvs(env_id, reward, config, seed, encode, env_kwargs) for seed in seeds]
    cut = plan(sampler, frames)
    first = worlds[0]
    captions = tuple(told_by_all(first.envs, "captions"))
    if judge is not None and not captions:
        raise UserError(
            f"{env_id} offers no captions, so a judge has nothing to read; give it an attribute captions, sentences "
            "that info['features']['caption_id'] counts, or leave judge=None"
        )
    subgoals = tuple(told_by_all(first.envs, "subgoal_names"))
    desk = JudgeDesk(first.envs.session.reward, judge, captions, subgoals)
    policy = build_policy(None, first.space, first.num_actions, config, network)
    learner = ppo(policy, config, sampler, budget=cut.budget)
    act, update = jax.jit(_act, static_argnums=0), jax.jit(_update)

    def taken(runs: list[Run]) -> np.ndarray:
        return np.array([run.frames for run in runs], np.int64)

    def advance(runs: list[Run]) -> tuple[list[Run], dict[str, np.ndarray]]:
        parts = [run.iterate(act, update, cut.iterations) for run in runs]
        for run in runs:
            desk.ask(run.world.envs.session.state)
        labels = desk.feedback()
        if labels:
            for run in runs:
                run.world.envs.feed(labels)
        return runs, {name: np.array([p.get(name, np.nan) for p in parts], np.float32) for name in parts[0]}

    def result(runs: list[Run], history: list[Record]) -> TrainResult:
        return TrainResult(
            history=list(history),
            final={},
            params=jax.tree.map(lambda *x: jnp.stack(x), *[run.weights for run in runs]),
            policy=policy,
            task=first.task,
            config=config,
            seeds=seeds,
            wall=history[-1]["wall"] if history else 0.0,
            compile_seconds=0.0,
            reward_state=[run.world.envs.session.state for run in runs],
            notes=notes,
        )

    runs = [Run(learner, world, seed) for world, seed in zip(worlds, seeds, strict=True)]
    with closing(desk):
        runs, history, stopped = run_chunks(
            cut.budget, runs, advance, taken, on_chunk=on_chunk, logs=logs, snapshot=result
        )
    last = [run.recent(eval_levels) for run in runs]
    known = eval_levels and not stopped
    final = {name: np.array([p[name] for p in last], np.float32) for name in last[0]} if known else {}
    return dataclasses.replace(result(runs, history), final=final, stopped=stopped)


def _horizon(env_id: str, env_kwargs: Mapping[str, Any]) -> int | None:
    """Longest episode of a Gymnasium id, if it says so."""
    return env_kwargs.get("max_episode_steps") or gym.spec(env_id).max_episode_steps


class Run:
    """One seed's learner and its environments."""

    def __init__(self, learner: Algorithm, world: HostEnvs, seed: int):
        self.learner, self.world, self.seed = learner, world, seed
        self.frames = 0
        net_key, self.key = jax.random.split(jax.random.key(seed))
        self.weights = learner.policy.init(net_key)
        self.optimizer = learner.optimizer.init(self.weights)
        self.hidden = learner.policy.bind(self.weights).initial_hidden(world.envs.num_envs)
        self.sums: dict[str, np.ndarray] = {}
        self.finished: list[dict[str, float]] = []
        self.waiting = np.ones(world.envs.num_envs, bool)  # for the end of the first episode

    def iterate(self, act: Any, update: Any, iterations: int) -> dict[str, float]:
        """Collect and update ``iterations`` times; means of what was logged."""
        sampler, began, logged = self.learner.sampler, len(self.finished), []
        assert isinstance(sampler, Segments)
        for _ in range(iterations):
            hidden, rows = self.hidden, []
            before = self.frames
            for _ in range(sampler.num_steps):
                self.key, key = jax.random.split(self.key)
                world = self.world
                action, logp, value, prepared, self.hidden = act(
                    self.learner.policy,
                    self.weights,
                    (world.now, world.last),
                    world.mask,
                    self.hidden,
                    world.first,
                    key,
                )
                mask: Any = world.mask
                row = world.step(np.asarray(action))
                self._account(row)
                rows.append(
                    Batch(
                        prepared=prepared,
                        mask=mask,
                        action=action,
                        logp=logp,
                        value=value,
                        reward=row["reward"],
                        components={},
                        terminated=row["terminated"],
                        truncated=row["truncated"],
                        first=row["first"],
                        valid=None,
                        group=None,
                        next_prepared=row["next"],
                        next_hidden=self.hidden,
                        hidden=None,
                    )
                )
            batch = jax.tree.map(lambda *x: np.stack(x), *rows)._replace(hidden=hidden)
            self.key, key = jax.random.split(self.key)
            weights, optimizer, metrics = update(self.learner, self.weights, self.optimizer, batch, key, before)
            logged.append({name: float(total / weight) for name, (total, weight) in metrics.items()})
            self._require_finite({}, logged[-1].get(GRADIENT, 0.0))
            self.weights, self.optimizer = weights, optimizer
        episodes = self.finished[began:]
        means = {name: float(np.mean([m[name] for m in logged])) for name in logged[0]}
        return {**self.recent(len(episodes)), **means, "episodes": float(len(episodes))}

    def recent(self, count: int) -> dict[str, float]:
        """Means over the last ``count`` finished episodes; NaN if there is none."""
        names = [*self.sums, "success"]
        part = self.finished[-count:] if count else []
        return {name: float(np.mean([e[name] for e in part])) if part else float("nan") for name in names}

    def _account(self, row: dict[str, Any]) -> None:
        info, done = row["info"], row["terminated"] | row["truncated"]
        summed = {k: v for k, v in info["reward_components"].items() if not k.startswith("_")}
        received = {f"component/{name}": value for name, value in summed.items()}
        self._require_finite({GIVEN: info["task_reward"], **received, TOTAL: row["reward"]})
        self.frames += self.world.envs.num_envs
        summed = {**summed, "total": row["reward"], "task": info["task_reward"]}
        summed = {f"return/{name}": value for name, value in summed.items()} | {"length": np.ones(done.shape)}
        final = info.get("final_info", {})
        if HIDDEN in info or HIDDEN in final:
            summed[HIDDEN] = np.where(done, final.get(HIDDEN, 0.0), info.get(HIDDEN, 0.0))
        for name, value in summed.items():
            self.sums[name] = self.sums.get(name, np.zeros(done.shape)) + value
        for i in np.flatnonzero(done):
            episode = {name: float(value[i]) for name, value in self.sums.items()}
            episode["success"] = self._success(final, int(i), episode["return/task"])
            if not self.waiting.any():  # before, only quick episodes could have finished
                self.finished.append(episode)
        self.waiting &= ~done
        for value in self.sums.values():
            value[done] = 0.0

    def _require_finite(self, received: Mapping[str, np.ndarray], gradient: float = 0.0) -> None:
        """Stop at rewards of the present step, or at a gradient, that are not finite."""
        first = {
            name: np.array([NEVER if np.isfinite(value).all() else self.frames]) for name, value in received.items()
        }
        require_finite(first, np.array([gradient]), frames=np.array([self.frames]), seeds=(self.seed,))

    def _success(self, final: Mapping[str, Any], i: int, score: float) -> float:
        """What the environment says; in Minigrid, whether there was any reward; else unknown (NaN)."""
        if "success" in final:
            return float(final["success"][i])
        return float(score > 0) if self.world.encode is minigrid else float("nan")


def _act(policy: Policy, weights: PyTree, seen: Any, mask: Any, hidden: Any, first: Any, key: Any) -> tuple:
    net = policy.bind(weights)
    prepared = _prepare(policy, seen)
    action, logits, value, hidden = choose(net, prepared, hidden, first, mask, key)
    return action, log_prob(logits, action), value, prepared, hidden


def _update(learner: Algorithm, weights: PyTree, optimizer: Any, batch: Batch, key: Any, frames: Any) -> tuple:
    batch = batch._replace(next_prepared=_prepare(learner.policy, batch.next_prepared))
    return learner.update(weights, optimizer, batch, key, frames)


def _prepare(policy: Policy, seen: Any) -> PyTree:
    """What the network takes of an observation and the step before it; foreign tasks do not list their commands."""
    observation, last = seen
    return policy.prepare(observation, None, last)
