"""Training on a functional environment: rollouts and updates of all seeds in one compiled program."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.agents.algorithm import Algorithm, TrainState
from rewardax.agents.batch import Metrics
from rewardax.agents.evaluation import evaluate_seeds
from rewardax.agents.networks.custom import Builder
from rewardax.agents.policies.task import Task, core_task
from rewardax.agents.ppo import PPOConfig, build_policy, ppo
from rewardax.agents.rollout import Starts, starts
from rewardax.agents.runs.checkpoint import Checkpoints
from rewardax.agents.runs.finite import GRADIENT, require_finite
from rewardax.agents.runs.labels import JudgeDesk
from rewardax.agents.runs.loop import (
    OnChunk,
    Record,
    TrainResult,
    after_training,
    before_training,
    extended,
    latest,
    plan,
    run_chunks,
    weighted_mean,
)
from rewardax.agents.runs.programs import compiled, finish
from rewardax.agents.samplers.choice import choose_sampler
from rewardax.base.seeds import as_seeds
from rewardax.base.sources import users_own
from rewardax.envs.core import Env
from rewardax.envs.levels import LevelPool, make_pool
from rewardax.wrappers.config import code_of
from rewardax.wrappers.core import Chain, PyTree, RewardTransform
from rewardax.wrappers.requirements import attach


def train_core(
    env: Env,
    params: PyTree,
    *,
    reward: RewardTransform | None,
    config: PPOConfig,
    frames: int,
    seeds: int | Sequence[int],
    judge: Any = None,
    out: Any = None,
    on_chunk: OnChunk | None = None,
    logs: Sequence[Callable[[Record], None]] = (),
    eval_levels: int = 512,
    fingerprint: dict[str, Any] | None = None,
    chunk_frames: int | None = None,
    network: Builder | None = None,
    task: Task | None = None,
) -> TrainResult:
    """Train PPO on a functional environment, all seeds in one compiled program.

    Args:
        env: a functional environment.
        params: its parameters.
        reward: a transform, or ``None`` for the task's own reward.
        config: settings of the learner.
        frames: environment steps per seed, rounded up to whole chunks.
        seeds: how many (0, 1, 2, ...) or which.
        judge: what labels captions if the reward has a ``Judged`` part.
        out: folder for checkpoints.
        on_chunk: called with a record, or a record and a :class:`TrainResult` as of then, after every compiled chunk.
        logs: called with every record, those of a run that goes on included.
        eval_levels: held-out levels for ``TrainResult.final``; 0 skips the evaluation.
        fingerprint: JSON description of the run; a folder of another run is refused.
        chunk_frames: frames per compiled call; by default a run is cut into about 40.
        network: makes another network, see :class:`rewardax.agents.Network`.
        task: what the environment is called; by default it has no id.
    """
    reward = Chain() if reward is None else attach(reward, env, where=env.family)
    seeds, horizon = as_seeds(seeds), env.horizon(params)
    sampler, chosen = choose_sampler(config, reward, horizon)
    cut = plan(sampler, frames, chunk_frames)
    notes = (*chosen, *before_training(reward, sampler, horizon))
    task = core_task(env, params) if task is None else task
    policy = build_policy(env, env.observation_space(params), env.num_actions, config, network)
    learner = ppo(policy, config, sampler, budget=cut.budget, env=env)
    program = functools.partial(compiled, keep=network is None and not users_own([type(env), *code_of(reward)]))
    # one thread of its own, which ends with its work: a process forked later inherits none
    thread = ThreadPoolExecutor(1)
    with closing(JudgeDesk(reward, judge, env.captions, env.subgoal_names)) as desk:
        started = time.perf_counter()
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        make_pools = functools.partial(_pools, env, params, config.pool, seeds)
        weights: PyTree = jax.eval_shape(policy.init_many, keys)
        begin = jax.eval_shape(_begin, learner, params, reward, jax.eval_shape(make_pools))
        state = jax.eval_shape(_init, learner, keys, weights, params, reward, begin)
        # the state is not donated: it is what remains of a run that has to stop
        training = (learner, state, params, reward, begin, desk.feedback())
        run = program(_iterate, *training, iterations=cut.iterations, beside=thread)
        pool = make_pools()  # shapes so far; from here on numbers, while training is compiled
        begin = program(_begin, learner, params, reward, pool, once=True)(learner, params, reward, pool)
        weights = policy.init_many(keys)
        state = program(_init, learner, keys, weights, params, reward, begin, once=True)(
            learner, keys, weights, params, reward, begin
        )
        score: Any = None
        if eval_levels:
            how: dict[str, Any] = {"split": "test", "greedy": False, "mask_actions": config.mask_actions}
            played = (state.params, state.collector.reward.shared, keys, params, reward, horizon)
            score = program(evaluate_seeds, *played, env=env, policy=policy, levels=eval_levels, beside=thread, **how)
        thread.shutdown(wait=False)
        finish(run)
        compile_seconds = time.perf_counter() - started

        def advance(state: TrainState) -> tuple[TrainState, dict[str, np.ndarray]]:
            desk.ask(state.collector.reward)
            done = taken(state)
            state, sums = run(learner, state, params, reward, begin, desk.feedback())
            first, sums = jax.device_get((state.collector.watch.first, sums))
            metrics = {name: weighted_mean(*pair) for name, pair in sums.items()}
            if not sampler.even:
                metrics["frames"] = taken(state).astype(np.float32)
            require_finite(first, sums[GRADIENT][0], frames=done, seeds=seeds)
            return state, metrics

        def result(state: TrainState, history: list[Record]) -> TrainResult:
            return TrainResult(
                history=list(history),
                final={},
                params=state.params,
                policy=policy,
                task=task,
                config=config,
                seeds=seeds,
                wall=history[-1]["wall"] if history else 0.0,
                compile_seconds=compile_seconds,
                reward_state=state.collector.reward,
                notes=notes,
            )

        checkpoints = None if out is None else Checkpoints(out, fingerprint or {})
        notes = (*notes, *extended(checkpoints, config, frames))
        state, history, stopped = run_chunks(
            cut.budget,
            state,
            advance,
            taken,
            on_chunk=on_chunk,
            logs=logs,
            snapshot=result,
            checkpoints=checkpoints,
        )

    final: dict[str, np.ndarray] = {}
    if eval_levels and not stopped:
        scores = score(state.params, state.collector.reward.shared, keys, params, reward, horizon)
        final = {name: np.asarray(value) for name, value in scores.items()}
    if not reward.causal:  # rewards in hindsight are known after learn() only, that is in training
        replaced = [name for name in final if name.startswith("return/") and name != "return/task"]
        final |= {name: latest(history, name) for name in replaced}
    return dataclasses.replace(
        result(state, history), final=final, stopped=stopped, notes=(*notes, *after_training(history))
    )


def _pools(env: Env, params: PyTree, size: int, seeds: Sequence[int]) -> LevelPool:
    """Training levels, one pool a seed."""
    pools = [make_pool(env, params, size, "train", seed) for seed in seeds]
    return jax.tree.map(lambda *rows: jnp.stack(rows), *pools)


def taken(state: TrainState) -> np.ndarray:
    """Frames so far, ``i64[S]``."""
    return np.asarray(state.collector.watch.frames, np.int64)


def _begin(learner: Algorithm, params: PyTree, reward: RewardTransform, pool: LevelPool) -> Starts:
    env = learner.env
    assert env is not None
    return jax.vmap(lambda p: starts(env, params, reward, learner.policy.prepare, p))(pool)


def _init(
    learner: Algorithm, keys: jax.Array, weights: PyTree, params: PyTree, reward: RewardTransform, begin: Starts
) -> TrainState:
    # one seed after the other: rewards may draw orthogonal weights, see Policy.init_many
    return jax.lax.map(lambda row: learner.init(row[0], row[1], params, reward, row[2]), (keys, weights, begin))


def _iterate(
    learner: Algorithm,
    state: TrainState,
    params: PyTree,
    reward: RewardTransform,
    begin: Starts,
    feedback: Any,
    iterations: int,
) -> tuple[TrainState, Metrics]:
    def one(state: TrainState, begin: Starts) -> tuple[TrainState, Metrics]:
        return learner.iterate(state, params, reward, begin, iterations, feedback)

    return jax.vmap(one)(state, begin)
