"""``train``: one call that picks the compiled loop or, for foreign environments, the loop on the host."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewardax.agents.compiled import train_core
from rewardax.agents.host import train_host
from rewardax.agents.networks.custom import Builder
from rewardax.agents.policies.task import core_task, is_foreign
from rewardax.agents.ppo import PPOConfig
from rewardax.agents.runs.logs import LogSpec, open_logs
from rewardax.agents.runs.loop import OnChunk, TrainResult
from rewardax.base.errors import UserError
from rewardax.base.seeds import as_seeds
from rewardax.base.sources import source_digests
from rewardax.envs.core import Env
from rewardax.envs.registry import make, task_id
from rewardax.wrappers.config import code_of, from_config, to_config
from rewardax.wrappers.core import Chain, RewardTransform
from rewardax.wrappers.requirements import require_discount

MOST_FRAMES = 2_000_000_000  # of one seed: they are counted in 32 bits


def train(
    env: str | Env,
    *,
    reward: RewardTransform | Mapping[str, Any] | str | Path | None = None,
    config: PPOConfig | None = None,
    frames: int = 1_000_000,
    seeds: int | Sequence[int] = (0,),
    judge: Any = None,
    out: str | Path | None = None,
    on_chunk: OnChunk | None = None,
    log: LogSpec = None,
    env_kwargs: dict[str, Any] | None = None,
    eval_levels: int = 512,
    network: Builder | None = None,
) -> TrainResult:
    """Train PPO on a task under a reward.

    A reward or gradient that is NaN or infinite ends the run at that chunk: a warning and ``TrainResult.stopped`` say
    which component it was and when, and the policy is that of the last good chunk.

    A rewardax task (``"DoorKey-8x8"`` or ``"rewardax/DoorKey-8x8-v0"``) or a functional environment of your own runs
    compiled from end to end, all seeds in one program; any other Gymnasium id runs on the host with the same learner.

    Args:
        env: task id, or a functional environment.
        reward: a :class:`RewardTransform`, its config (dict, path of a JSON or TOML file), or ``None`` for sparse.
        config: settings of the learner.
        frames: environment steps per seed, rounded up to whole chunks.
        seeds: how many (0, 1, 2, ...) or which; one run each.
        judge: what labels captions if the reward has a ``Judged`` part. Foreign environments need an attribute
            ``captions`` and the feature ``caption_id``.
        out: folder for checkpoints; the same call with the same folder goes on where it was cut off, bit for bit, and
            with more ``frames`` a run goes on from there. What moves over a run, the step size with
            ``anneal=True``, then jumps to where it is in the longer run, which ``TrainResult.notes`` says. Not for
            foreign environments, whose state cannot be saved.
        on_chunk: called with a record after every compiled chunk; a function of two arguments is also given a
            :class:`TrainResult` as of then, to save, evaluate or act with.
        log: where the records go: ``"csv:FILE"``, ``"jsonl:FILE"``, ``"tensorboard:FOLDER"``, ``"wandb:PROJECT"``, a
            function, or several of these. A run that goes on logs its earlier records again, so that a file is whole.
        env_kwargs: parameters of the task, as for :func:`rewardax.make`.
        eval_levels: held-out levels for ``TrainResult.final``; 0 skips the evaluation.
        network: a builder ``(env, observation_space, num_actions, config, rngs)`` of another network than
            :class:`ActorCritic`, with the interface :class:`rewardax.agents.Network`.

    Raises:
        UserKeyError: unknown id. UserError: bad numbers, features, events or subgoals that the task lacks, a folder of
            another run, or shaping whose discount or rule at time limits is not the learner's.
    """
    config = PPOConfig() if config is None else config
    env_kwargs = dict(env_kwargs or {})
    seeds = as_seeds(seeds)
    if not 1 <= frames <= MOST_FRAMES or eval_levels < 0:
        raise UserError(
            f"frames must be in [1, {MOST_FRAMES:,}] and eval_levels at least 0; got {frames} and {eval_levels}"
        )
    transform = Chain() if reward is None else from_config(reward)
    require_discount(transform, config.gamma, config.time_limit)
    with open_logs(log, seeds) as logs:
        if is_foreign(env):
            if out is not None:
                raise UserError(f"the state of {env} cannot be saved, so there are no checkpoints: leave out=None")
            return train_host(
                env,
                reward=transform,
                config=config,
                frames=frames,
                seeds=seeds,
                on_chunk=on_chunk,
                logs=logs,
                eval_levels=eval_levels,
                env_kwargs=env_kwargs,
                judge=judge,
                network=network,
            )
        name = task_id(env) if isinstance(env, str) else None
        core, params = make(env if name is None else name, **env_kwargs)
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
            logs=logs,
            eval_levels=eval_levels,
            network=network,
            task=core_task(core, params, name, env_kwargs),
            fingerprint={
                "env": repr(core) if name is None else name,
                "env_kwargs": env_kwargs,
                "reward": to_config(transform) if out is not None else None,
                "judge": None if judge is None else str(getattr(judge, "name", type(judge).__qualname__)),
                "sources": source_digests([*code_of(transform), type(judge), type(core), network]) or None,
                "config": dataclasses.asdict(config),
                "frames": frames,
                "seeds": seeds,
                **(
                    {} if network is None else {"network": getattr(network, "__qualname__", type(network).__qualname__)}
                ),
            },
        )
