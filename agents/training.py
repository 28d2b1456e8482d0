"""The host loop of a training run: compiled chunks, and between them logging, checkpoints and judge traffic."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rewardax.agents.checkpoint import Checkpoints
from rewardax.agents.evaluation import evaluate
from rewardax.agents.labels import JudgeDesk
from rewardax.agents.networks import ActorCritic, Policy
from rewardax.agents.ppo import PPO, PPOConfig
from rewardax.agents.rollout import starts
from rewardax.base.errors import UserError
from rewardax.envs.core import Env
from rewardax.envs.levels import make_pool
from rewardax.wrappers.core import Chain, PyTree, RewardTransform
from rewardax.wrappers.requirements import require_features, require_gamma

Record = dict[str, Any]
CHUNKS = 40  # compiled calls a run is cut into, if it is long enough
CHECKPOINT_SECONDS = 5.0


@dataclasses.dataclass
class TrainResult:
    """What a run leaves behind. Arrays have one entry per seed."""

    history: list[Record]
    """One record per chunk: ``chunk``, ``frames``, ``wall``, ``fps`` and ``metrics`` (name -> f32[S])."""
    final: dict[str, np.ndarray]
    """Means over held-out levels: ``success``, ``length``, ``performance`` (the hidden true score, which no reward can
    read) and ``return/`` of task, total and components. Of a reward that needs hindsight, total and components are
    those of the last finished training episodes."""
    params: PyTree
    """Network parameters, leading axis S."""
    policy: Policy
    config: PPOConfig
    seeds: tuple[int, ...]
    wall: float
    """Seconds of training, without compilation."""
    compile_seconds: float
    reward_state: Any

    @property
    def fps(self) -> float:
        """Environment steps per second over all seeds, without compilation."""
        return self.history[-1]["frames"] * len(self.seeds) / self.wall if self.history else 0.0


def train(
    env: str | Env,
    *,
    reward: Any = None,
    config: PPOConfig | None = None,
    frames: int = 1_000_000,
    seeds: Sequence[int] = (0,),
    judge: Any = None,
    out: str | Path | None = None,
    on_chunk: Callable[[Record], None] | None = None,
    env_kwargs: dict[str, Any] | None = None,
    eval_levels: int = 512,
) -> TrainResult:
    """Train PPO on a task under a reward.

    A rewardax task (``"DoorKey-8x8"`` or ``"rewardax/DoorKey-8x8-v0"``) or a functional environment of your own runs
    compiled from end to end, all seeds in one program; any other Gymnasium id runs on the host with the same learner.

    Args:
        env: task id, or a functional environment.
        reward: a :class:`RewardTransform`, its config (dict, path of a JSON or TOML file), or ``None`` for sparse.
        config: settings of the learner.
        frames: environment steps per seed, rounded up to whole chunks.
        seeds: one run per entry.
        judge: what labels captions if the reward has a ``Judged`` part.
        out: folder for checkpoints; the same call with the same folder goes on where it was cut off, bit for bit.
            Not for foreign environments, whose state cannot be saved.
        on_chunk: called with a record after every compiled chunk.
        env_kwargs: knobs of the task.
        eval_levels: held-out levels for ``TrainResult.final``; 0 skips the evaluation.

    Raises:
        KeyError: unknown id. ValueError: bad numbers, missing features, a folder of another run, or a ``Potential``
            whose discount is not the learner's.
    """
    from rewardax.envs.registry import PRESETS, make, task_id
    from rewardax.wrappers.config import from_config, to_config

    config = PPOConfig() if config is None else config
    env_kwargs = dict(env_kwargs or {})
    seeds = tuple(int(seed) for seed in seeds)
    if frames < 1 or not seeds or eval_levels < 0:
        raise UserError(
            f"frames and seeds must not be empty: frames={frames}, seeds={seeds}, eval_levels={eval_levels}"
        )
    transform = Chain() if reward is None else from_config(reward)
    require_gamma(transform, config.gamma)
    if isinstance(env, str) and not env.startswith("rewardax/") and env.removesuffix("-v0") not in PRESETS:
        from rewardax.agents.host import train_host

        if judge is not None:
            raise UserError(f"{env} offers no captions, so a judge has nothing to read; leave judge=None")
        return train_host(
            env,
            reward=transform,
            config=config,
            frames=frames,
            seeds=seeds,
            on_chunk=on_chunk,
            eval_levels=eval_levels,
            env_kwargs=env_kwargs,
        )
    task = task_id(env) if isinstance(env, str) else env
    core, params = make(task, **env_kwargs)
    require_features(transform, core.feature_names, where=task if isinstance(task, str) else core.family)
    return train_core(
        core,
        params,
        reward=transform,
        config=config,
        frames=frames,
        seeds=seeds,
        judge=judge,
        out=out,
        on_chunk=on_chunk,
        eval_levels=eval_levels,
        fingerprint={
            "env": task if isinstance(task, str) else repr(core),
            "env_kwargs": env_kwargs,
            "reward": to_config(transform) if out is not None else None,
            "config": dataclasses.asdict(config),
            "frames": frames,
            "seeds": seeds,
        },
    )


def build_policy(env: Any, space: Any, num_actions: int, config: PPOConfig) -> Policy:
    """The actor-critic that fits an observation space."""

    def build(rngs: nnx.Rngs) -> ActorCritic:
        return ActorCritic(env, space, num_actions, config.width, config.recurrent, rngs)

    return Policy(build)


def train_core(
    env: Env,
    params: PyTree,
    *,
    reward: RewardTransform | None,
    config: PPOConfig,
    frames: int,
    seeds: Sequence[int],
    judge: Any = None,
    out: Any = None,
    on_chunk: Callable[[Record], None] | None = None,
    eval_levels: int = 512,
    fingerprint: dict[str, Any] | None = None,
    chunk_frames: int | None = None,
) -> TrainResult:
    """Train PPO on a functional environment, all seeds in one compiled program.

    ``chunk_frames``: frames per compiled call; by default a run is cut into about 40.
    """
    reward = Chain() if reward is None else reward
    per_iteration = config.num_envs * config.num_steps
    iterations = -(-frames // per_iteration)
    length = max(1, chunk_frames // per_iteration if chunk_frames else iterations // CHUNKS)
    chunks = -(-iterations // length)
    learner = PPO(
        env,
        build_policy(env, env.observation_space(params), env.num_actions, config),
        config,
        chunks * length * config.epochs * config.minibatches,
        env.horizon(params),
    )
    desk = JudgeDesk(reward, judge, env.captions)

    started = time.perf_counter()
    pools = [make_pool(env, params, config.pool, "train", seed) for seed in seeds]
    pool = jax.tree.map(lambda *rows: jnp.stack(rows), *pools)
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    begin = jax.jit(jax.vmap(lambda p: starts(env, params, reward, learner.policy.prepare, p)))(pool)
    weights = learner.policy.init_many(keys)
    # one seed after the other: rewards may draw orthogonal weights, see Policy.init_many
    state = jax.jit(lambda rows: jax.lax.map(lambda row: learner.init(row[0], row[1], params, reward, row[2]), rows))(
        (keys, weights, begin)
    )
    call = jax.jit(
        jax.vmap(learner.iterate, in_axes=(0, None, None, 0, None, None)), static_argnums=4, donate_argnums=0
    )
    run = call.lower(state, params, reward, begin, length, desk.feedback()).compile()
    compile_seconds = time.perf_counter() - started

    history: list[Record] = []
    done, saved = 0, time.perf_counter()
    store = Checkpoints(out, fingerprint or {}) if out is not None else None
    if store is not None and (found := store.restore(state)) is not None:
        done, state, history = found
    wall = history[-1]["wall"] if history else 0.0
    try:
        for chunk in range(done, chunks):
            begun = time.perf_counter()
            desk.ask(state.collector.reward)
            state, metrics = run(state, params, reward, begin, desk.feedback())
            metrics = jax.device_get(metrics)
            seconds = time.perf_counter() - begun
            wall += seconds
            record = {
                "chunk": chunk,
                "frames": (chunk + 1) * length * per_iteration,
                "wall": wall,
                "fps": length * per_iteration * len(seeds) / seconds,
                "metrics": {name: _mean(*pair) for name, pair in metrics.items()},
            }
            history.append(record)
            if on_chunk is not None:
                on_chunk(record)
            if store is not None and (time.perf_counter() - saved > CHECKPOINT_SECONDS or chunk == chunks - 1):
                store.save(chunk + 1, state, history)
                saved = time.perf_counter()
    finally:
        desk.close()

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
    scores = jax.jit(jax.vmap(score))(state.params, shared, keys) if eval_levels else {}
    final = {name: np.asarray(value) for name, value in scores.items()}
    if not reward.causal:  # what hindsight pays is known after learn() only, that is in training
        paid = [name for name in final if name.startswith("return/") and name != "return/task"]
        final |= {name: _latest(history, name) for name in paid}
    return TrainResult(
        history=history,
        final=final,
        params=state.params,
        policy=learner.policy,
        config=config,
        seeds=tuple(seeds),
        wall=wall,
        compile_seconds=compile_seconds,
        reward_state=state.collector.reward,
    )


def _mean(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean per seed; NaN where nothing was counted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / weight, np.float32)


def _latest(history: list[Record], name: str) -> np.ndarray:
    """The last value per seed that is not NaN."""
    values = np.stack([record["metrics"][name] for record in history])
    last = len(values) - 1 - np.argmax(~np.isnan(values)[::-1], 0)
    return values[last, np.arange(values.shape[1])]
