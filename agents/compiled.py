"""Training on a functional environment: rollouts and updates of all seeds in one compiled program."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.agents.checkpoint import Checkpoints
from rewardax.agents.evaluation import evaluate
from rewardax.agents.finite import GRADIENT, require_finite
from rewardax.agents.labels import JudgeDesk
from rewardax.agents.loop import (
    Record,
    TrainResult,
    after_training,
    before_training,
    latest,
    plan,
    run_chunks,
    weighted_mean,
)
from rewardax.agents.networks.custom import Builder
from rewardax.agents.ppo import PPO, PPOConfig, TrainState, build_policy
from rewardax.agents.rollout import starts
from rewardax.base.seeds import as_seeds
from rewardax.envs.core import Env
from rewardax.envs.levels import make_pool
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
    on_chunk: Callable[[Record], None] | None = None,
    eval_levels: int = 512,
    fingerprint: dict[str, Any] | None = None,
    chunk_frames: int | None = None,
    network: Builder | None = None,
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
        on_chunk: called with a record after every compiled chunk.
        eval_levels: held-out levels for ``TrainResult.final``; 0 skips the evaluation.
        fingerprint: JSON description of the run; a folder of another run is refused.
        chunk_frames: frames per compiled call; by default a run is cut into about 40.
        network: makes another network, see :class:`rewardax.agents.Network`.
    """
    reward = Chain() if reward is None else attach(reward, env, where=env.family)
    seeds = as_seeds(seeds)
    cut = plan(config, frames, chunk_frames)
    notes = before_training(reward, config, env.horizon(params))
    learner = PPO(
        env,
        build_policy(env, env.observation_space(params), env.num_actions, config, network),
        config,
        cut.updates(config),
        env.horizon(params),
    )
    with closing(JudgeDesk(reward, judge, env.captions, env.subgoal_names)) as desk:
        started = time.perf_counter()
        pools = [make_pool(env, params, config.pool, "train", seed) for seed in seeds]
        pool = jax.tree.map(lambda *rows: jnp.stack(rows), *pools)
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        begin = jax.jit(jax.vmap(lambda p: starts(env, params, reward, learner.policy.prepare, p)))(pool)
        weights = learner.policy.init_many(keys)
        # one seed after the other: rewards may draw orthogonal weights, see Policy.init_many
        state = jax.jit(
            lambda rows: jax.lax.map(lambda row: learner.init(row[0], row[1], params, reward, row[2]), rows)
        )((keys, weights, begin))
        # the state is not donated: it is what remains of a run that has to stop
        call = jax.jit(jax.vmap(learner.iterate, in_axes=(0, None, None, 0, None, None)), static_argnums=4)
        run = call.lower(state, params, reward, begin, cut.iterations, desk.feedback()).compile()
        compile_seconds = time.perf_counter() - started

        def advance(state: TrainState) -> tuple[TrainState, dict[str, np.ndarray]]:
            desk.ask(state.collector.reward)
            done = int(state.collector.watch.steps[0]) * config.num_envs
            state, sums = run(state, params, reward, begin, desk.feedback())
            first, sums = jax.device_get((state.collector.watch.first, sums))
            metrics = {name: weighted_mean(*pair) for name, pair in sums.items()}
            require_finite(first, metrics[GRADIENT], num_envs=config.num_envs, frames=done, seeds=seeds)
            return state, metrics

        checkpoints = None if out is None else Checkpoints(out, fingerprint or {})
        state, history, stopped = run_chunks(
            cut, state, advance, seeds=len(seeds), on_chunk=on_chunk, checkpoints=checkpoints
        )

    def score(weights: PyTree, memory: PyTree, key: jax.Array) -> dict[str, jax.Array]:
        return evaluate(
            env,
            params,
            learner.policy,
            weights,
            key,
            eval_levels,
            reward=reward,
            shared=memory,
            mask_actions=config.mask_actions,
        )

    shared = state.collector.reward.shared
    scores = jax.jit(jax.vmap(score))(state.params, shared, keys) if eval_levels and not stopped else {}
    final = {name: np.asarray(value) for name, value in scores.items()}
    if not reward.causal:  # rewards in hindsight are known after learn() only, that is in training
        replaced = [name for name in final if name.startswith("return/") and name != "return/task"]
        final |= {name: latest(history, name) for name in replaced}
    return TrainResult(
        history=history,
        final=final,
        params=state.params,
        policy=learner.policy,
        config=config,
        seeds=seeds,
        wall=history[-1]["wall"] if history else 0.0,
        compile_seconds=compile_seconds,
        reward_state=state.collector.reward,
        stopped=stopped,
        notes=(*notes, *after_training(history)),
    )
