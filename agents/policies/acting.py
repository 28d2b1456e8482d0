"""A trained policy in an environment: observations in, actions out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.agents.distributions import choose
from rewardax.agents.evaluation import evaluate_seeds
from rewardax.agents.networks import Policy
from rewardax.agents.networks.encoders import Last, at_start
from rewardax.agents.policies.export import export
from rewardax.agents.policies.task import Task
from rewardax.agents.ppo import PPOConfig
from rewardax.agents.runs.programs import compiled
from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError
from rewardax.base.sources import users_own
from rewardax.wrappers.core import Chain

PyTree = Any
COMMANDS = "action_lines"  # the feature that says what each action means


class TrainedPolicy:
    """One seed's trained policy, for one environment or for a batch of them. It remembers the episode it is in.

    :meth:`rewardax.agents.TrainResult.trained` and :func:`rewardax.load_policy` make it.

    Args:
        task: what it was trained on.
        policy: structure of the network.
        params: parameters of one seed.
        config: settings of the learner.
        seed: of the training run; the first seed of sampled actions too.

    >>> import gymnasium, rewardax
    >>> from rewardax.agents.policies.task import open_task
    >>> from rewardax.agents.ppo import build_policy
    >>> task, config = open_task("KeyFarm"), rewardax.PPOConfig(width=8)
    >>> network = build_policy(task.core, task.space, task.num_actions, config)
    >>> policy = TrainedPolicy(task, network, network.init(jax.random.key(0)), config, seed=0)
    >>> env = gymnasium.make("rewardax/KeyFarm-v0")
    >>> observation, info = env.reset(seed=0)
    >>> policy.act(observation, info, greedy=True)  # at first only one step is possible
    1
    """

    def __init__(self, task: Task, policy: Policy, params: PyTree, config: PPOConfig, seed: int):
        self.task, self.policy, self.params, self.config, self.seed = task, policy, params, config, seed
        self._params = jax.tree.map(jnp.asarray, params)
        self.reset(seed)

    @property
    def features(self) -> tuple[str, ...]:
        """Names that ``info["features"]`` must hold, to be asked for with ``gymnasium.make(..., features=...)``."""
        return (COMMANDS,) if self.task.says_commands else ()

    def reset(self, seed: int | None = None) -> None:
        """Forget the episode: the next observation is the first of its episode, in every environment.

        Args:
            seed: start the random numbers of sampled actions anew; the same seed gives the same actions.
        """
        if seed is not None:
            self._key, self._acted = jax.random.key(seed), 0
        self._count: int | None = None

    def act(
        self,
        observation: Any,
        info: Mapping[str, Any] | None = None,
        *,
        greedy: bool = False,
        reward: Any = None,
        first: Any = None,
    ) -> Any:
        """The next action in one environment, or in each of ``N``.

        Args:
            observation: as ``reset`` and ``step`` of a Gymnasium environment give it, or of a vector environment.
            info: from the same call; a policy trained with masks reads ``info["action_mask"]``, one of a task in
                sentences ``info["features"]["action_lines"]``.
            greedy: take the likeliest action instead of sampling, as training and ``TrainResult.final`` do.
            reward: what the task paid for the last action; read by policies with ``previous=True`` only, and taken
                from ``info["task_reward"]`` where that is known.
            first: bool or bool[N], in which environments the observation opens an episode; read by policies that
                remember (a core, or ``previous=True``). Of one environment, :meth:`reset` says the same.

        Returns:
            int, or int64[N].

        Raises:
            UserError: an observation of another task, or something missing in ``info``; the sentence says what.
        """
        info = {} if info is None else info
        arrays, many = self.task.read(observation, info)
        count = len(jax.tree.leaves(arrays)[0])
        mask, commands = self._mask(info, count, many), self._commands(info, many)
        opening = np.broadcast_to(np.asarray(False if first is None else first, bool), (count,))
        if self._count is None:
            self._count, opening = count, np.ones(count, bool)
            self._hidden = self.policy.bind(self._params).initial_hidden(count)
            self._last = at_start(count)
        elif self._count != count:
            raise UserError(f"observations of {count} environments after those of {self._count}: call reset() between")
        if self.config.previous and not opening.all():
            self._last = self._last._replace(reward=self._paid(reward, info, count))
        memory = (self._last, self._hidden, opening)
        dice = (self._key, self._acted)
        action, self._hidden = _act(self.policy, self._params, arrays, commands, mask, memory, dice, greedy=greedy)
        self._last, self._acted = Last(action, self._last.reward), self._acted + 1
        chosen = np.asarray(action, np.int64) + self.task.start
        return chosen if many else int(chosen[0])

    def evaluate(self, levels: int = 512, split: str = "test", greedy: bool = False) -> dict[str, float]:
        """Means over held-out levels, as :meth:`rewardax.agents.TrainResult.evaluate` gives them for every seed."""
        rows = jax.tree.map(lambda x: x[None], self._params)
        found = held_out(self.task, self.policy, rows, self.config, (self.seed,), levels, split, greedy)
        return {name: float(value[0]) for name, value in found.items()}

    def export(self, path: str | Path) -> None:
        """Write the parameters under readable names: ``.npz`` for a program of NumPy alone, or ``.safetensors``.

        The page *Using policies* holds that program.

        Raises:
            UserError: another ending, or the package ``safetensors`` is not there.
        """
        export(path, self.task, self.policy, self._params, self.config)

    def _mask(self, info: Mapping[str, Any], count: int, many: bool) -> np.ndarray:
        if not self.config.mask_actions or (self.task.core is None and "action_mask" not in info):
            return np.ones((count, self.task.num_actions), bool)
        if "action_mask" not in info:
            raise UserError(
                "this policy chooses among admissible actions: act(observation, info) needs the info of reset and step "
                'with its "action_mask"'
            )
        mask = np.stack(info["action_mask"]).astype(bool)
        mask = mask if many else mask[None]
        if mask.shape != (count, self.task.num_actions):
            raise UserError(
                f"the action mask is for {mask.shape[-1]} actions in {len(mask)} environments; this policy has "
                f"{self.task.num_actions} actions, and the observation is of {count}"
            )
        return mask

    def _commands(self, info: Mapping[str, Any], many: bool) -> np.ndarray | None:
        if not self.task.says_commands:
            return None
        lines = info.get("features", {}).get(COMMANDS)
        if lines is None:
            raise UserError(
                f"this policy reads what each action says: make the environment with features=({COMMANDS!r},) and give "
                "act(observation, info) its info"
            )
        return np.asarray(lines) if many else np.asarray(lines)[None]

    def _paid(self, reward: Any, info: Mapping[str, Any], count: int) -> Array:
        paid = info.get("task_reward") if reward is None else reward
        if paid is None:
            raise UserError("this policy reads what its last action was paid: act(observation, info, reward=reward)")
        return jnp.broadcast_to(jnp.asarray(paid, jnp.float32), (count,))


@functools.partial(jax.jit, static_argnames=("policy", "greedy"))
def _act(
    policy: Policy,
    params: PyTree,
    arrays: PyTree,
    commands: Array | None,
    mask: Array,
    memory: tuple[Last, Array, Array],
    dice: tuple[Array, Array],
    greedy: bool,
) -> tuple[Array, Array]:
    last, hidden, first = memory
    net = policy.bind(params)
    last = env_where(first, at_start(len(first)), last)
    key = None if greedy else jax.random.fold_in(*dice)
    chosen = choose(net, policy.prepare(arrays, commands, last), hidden, first, mask, key)
    return chosen.action.astype(jnp.int32), chosen.hidden


def held_out(
    task: Task,
    policy: Policy,
    params: PyTree,
    config: PPOConfig,
    seeds: tuple[int, ...],
    levels: int,
    split: str,
    greedy: bool,
) -> dict[str, np.ndarray]:
    """Means over levels of a split under the task's own reward, f32[S] each, of parameters ``[S, ...]``.

    Raises:
        UserError: a foreign environment, which has no levels to hold out.
    """
    if task.core is None:
        raise UserError(
            f"{task.name} has no levels that could be held out; play episodes with trained().act(observation, info), "
            "or read final, the means of the last training episodes"
        )
    if levels < 1:
        raise UserError(f"levels must be at least 1, got {levels}")
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    played = (params, (), keys, task.params, Chain(), task.core.horizon(task.params))
    how: dict[str, Any] = {"levels": levels, "split": split, "greedy": greedy, "mask_actions": config.mask_actions}
    keep = policy.builder is None and not users_own([type(task.core)])
    found = compiled(evaluate_seeds, *played, keep=keep, env=task.core, policy=policy, **how)(*played)
    return {name: np.asarray(value) for name, value in found.items() if name != "return/total"}
