"""Many environments behind ``gymnasium.vector.VectorEnv``, stepped by one compiled call."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from rewardax.base import saving
from rewardax.base.errors import UserError
from rewardax.base.forked import refuse_forked
from rewardax.envs.gym import program as gym_program
from rewardax.envs.gym import state as gym_state
from rewardax.envs.gym.actions import action_indices
from rewardax.envs.gym.batch import Along, Leaves, Levels, batch_program, on_host
from rewardax.envs.gym.offering import Offering
from rewardax.envs.levels import LEVELS, level_number, split_index

VectorStep = tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class GymVectorEnv(Offering, gym_state.KnownLimit, gym.vector.VectorEnv):
    """``num_envs`` copies of a functional core; equal, step by step, to as many :class:`GymEnv`.

    Environment ``i`` is seeded with ``seed + i`` and draws its further levels from its own generator. Levels
    are made ahead in batches, so that a step is one compiled call even when episodes end.

    Args:
        task, render_mode, obs_mode, split, features, env_kwargs: as for :class:`GymEnv`.
        num_envs: number of environments.
        autoreset_mode: ``"SameStep"`` (default: the observation of a finished environment is already the
            first of its next episode, the last one is in ``infos["final_obs"]``), ``"NextStep"`` (the next
            step resets it, ignoring its action) or ``"Disabled"`` (reset it with
            ``options={"reset_mask": bool[N]}``).
        max_episode_steps: truncates earlier than the task itself, like Gymnasium's ``TimeLimit`` around one
            environment.

    ``infos`` holds arrays of what :class:`GymEnv` reports, each with its ``_name`` mask.

    >>> from rewardax.envs import GymVectorEnv
    >>> envs = GymVectorEnv("KeyFarm", num_envs=2)
    >>> observations, infos = envs.reset(seed=7)
    >>> infos["level"]
    array([7, 8])
    >>> envs.step([1, 0])[1]
    array([0., 0.])
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 8,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        task: Any,
        num_envs: int = 1,
        render_mode: str | None = None,
        obs_mode: str = "dict",
        split: str = "train",
        features: Sequence[str] | str = (),
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        **env_kwargs: Any,
    ) -> None:
        for name, number in (("num_envs", num_envs), ("max_episode_steps", max_episode_steps)):
            if number is not None and number < 1:
                raise UserError(f"{name} must be at least 1, got {number}")
        self.core, self.params, space = gym_program.made(task, obs_mode, env_kwargs)
        self.num_envs, self.render_mode, self.obs_mode = num_envs, render_mode, obs_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = self.metadata | {
            "render_modes": gym_program.render_modes(self.core, render_mode),
            "autoreset_mode": self.autoreset_mode,
        }
        self.single_action_space = gym.spaces.Discrete(self.core.num_actions)
        self.single_observation_space = copy.deepcopy(space)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

        self._split = np.full(num_envs, split_index(split))
        self._level = np.full(num_envs, -1)
        self._ended = np.zeros(num_envs, bool)
        self._limit, self._clock = max_episode_steps, np.zeros(num_envs, int)  # steps so far, if there is a limit
        self._generators: list[np.random.Generator] = []
        self._seeds: list[int] = []
        for generator, drawn in (seeding.np_random() for _ in range(num_envs)):
            self._generators.append(generator)
            self._seeds.append(drawn)
        self._leaves: Leaves | None = None
        self._device: Sequence[Any] | None = None  # queue slots and ended flags, kept there between steps
        self._levels = Levels(num_envs)
        self._program = gym_program.program(self.core, obs_mode, ())
        self.enable_features(features)

    def _use(self, program: gym_program.Program) -> None:
        self._program = program
        self._batched = batch_program(self._program, self.autoreset_mode)
        self._levels.bind(self._batched, self.params)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """One generator per environment; levels drawn ahead have left it already."""
        return tuple(self._generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self._seeds)

    @property
    def state(self) -> Any:
        """States ``[N, ...]`` of the functional core.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return self._program.state_of(self._started())

    def _started(self) -> Leaves:
        if self._leaves is None:
            raise gym.error.ResetNeeded("call reset() first: there is no state yet")
        return self._leaves

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start new episodes everywhere, or where ``options["reset_mask"]`` (bool[N]) says.

        Further options: ``level``, ``split``, ``dynamics``, each one value or one per environment.
        """
        refuse_forked()
        options = gym_state.check_options(options, ("reset_mask", "level", "split", "dynamics"))
        mask = self._mask(options.pop("reset_mask", None))
        which, levels = np.flatnonzero(mask), self._levels
        read: dict[str, Any] = {"split": split_index, "level": level_number, "dynamics": _future}
        given = {name: self._per_env(name, value) for name, value in options.items()}
        values = {name: {i: read[name](value[i]) for i in which.tolist()} for name, value in given.items()}
        seeds = self._per_env("seed", _count_up(seed, self.num_envs))
        for i in which.tolist():
            if seeds[i] is not None:
                self._generators[i], self._seeds[i] = seeding.np_random(int(seeds[i]))
                levels.forget(i)
            if "split" in values:
                self._split[i] = values["split"][i]
                levels.remake(i)
            if "level" in values:
                self._level[i] = values["level"][i]
            elif seeds[i] is not None:
                self._level[i] = seeds[i] % LEVELS
            else:
                self._level[i] = levels.draw(i, self._generators[i])
        dynamics = np.array([values.get("dynamics", self._level)[i] for i in which.tolist()], np.int64)
        ids = np.stack([self._level[which], self._split[which], dynamics], 1)
        before = levels.blank((self.num_envs,)) if mask.all() else self._started()
        self._leaves = levels.make(before, (which,), ids)[0]
        self._ended = self._ended & ~mask
        self._clock[mask] = 0
        self._device = None
        return self._look(mask)

    @property
    def steps_along(self) -> bool:
        """Whether ``step`` is only :meth:`step_along`, and not that of a subclass."""
        return getattr(self.step, "__func__", None) is GymVectorEnv.step

    def step(self, actions: Any) -> VectorStep:
        return self.step_along(actions)[0]

    def step_along(
        self, actions: Any, along: Along | None = None, given: Any = None, memory: Any = None
    ) -> tuple[VectorStep, Any, Any, tuple[Any, dict[str, jax.Array]]]:
        """A step, and something computed along with it in the same program, such as a reward.

        Args:
            actions: as for ``step``.
            along: ``(given, memory, Stepped) -> (result, memory)``, a pure function; each is compiled once.
            given: its first argument.
            memory: its second argument, which it replaces: these arrays must not be used again.

        Returns:
            what ``step`` returns, the result, the next memory, and observation and features of the step before any
            reset as JAX arrays.
        """
        leaves, levels, mode = self._started(), self._levels, self.autoreset_mode
        actions = action_indices(actions, self.num_envs, self.core.num_actions)
        if mode == AutoresetMode.DISABLED:
            if self._ended.any():
                raise gym.error.ResetNeeded(
                    f"environments {np.flatnonzero(self._ended).tolist()} have finished; "
                    "reset them with options={'reset_mask': ...} first"
                )
        elif not levels.ready:
            levels.refill(self._generators, self._split)
            self._device = None
        if self._device is None:
            self._device = jnp.asarray(levels.head, jnp.int32), jnp.asarray(self._ended)

        cut = None
        if self._limit is not None:
            opened = self._ended if mode == AutoresetMode.NEXT_STEP else False
            self._clock = np.where(opened, 0, self._clock + 1)
            cut = self._clock >= self._limit
        self._leaves, *self._device, outputs, result, memory = self._batched.advance(along)(
            leaves, levels.queue, *self._device, actions, self.params, cut, given, memory
        )
        fields = on_host(outputs)
        if mode == AutoresetMode.NEXT_STEP and self._ended.any():
            opened = np.flatnonzero(self._ended)
            self._level[opened] = levels.next_ids(opened)
            levels.pop(opened)
        self._ended = done = fields["terminated"] | fields["truncated"]
        infos: dict[str, Any] = {}
        if mode == AutoresetMode.SAME_STEP and done.any():
            infos |= self._final(fields, done)
            which = np.flatnonzero(done)
            self._level[which] = levels.next_ids(which)
            for name, value in fields.items():
                if name not in ("reward", "terminated", "truncated"):
                    value[which] = levels.next_fields(name, which)
            levels.pop(which)
            self._clock[which] = 0
            self._ended = np.zeros_like(done)
        stepped = (
            self._observation(fields),
            fields["reward"].astype(np.float64),
            fields["terminated"],
            fields["truncated"],
            infos | self._infos(fields),
        )
        return stepped, result, memory, self._program.shown(outputs)

    # from host fields to Gymnasium's structures

    def _observation(self, fields: dict[str, np.ndarray]) -> Any:
        if self.obs_mode == "text":
            return tuple(self.core.text_of(row) for row in fields["observation"])
        return self._program.observation(fields)

    def _infos(self, fields: dict[str, np.ndarray], mask: np.ndarray | None = None) -> dict[str, Any]:
        values: dict[str, Any] = {
            "level": self._level.copy(),
            "success": fields["success"],
            "performance": fields["performance"].astype(np.float64),
            "action_mask": fields["action_mask"],
        }
        if self._program.features:
            values["features"] = {name: fields[f"features/{name}"] for name in self._program.features}
        return _masked(values, np.ones(self.num_envs, bool) if mask is None else mask)

    def _final(self, fields: dict[str, np.ndarray], done: np.ndarray) -> dict[str, Any]:
        last = np.full(self.num_envs, None, dtype=object)
        names = [name for name in fields if name.startswith("observation")]
        for i in np.flatnonzero(done):
            last[i] = self._program.observation({name: np.array(fields[name][i]) for name in names})
        final = self._infos({name: value.copy() for name, value in fields.items()}, done)
        return _masked({"final_obs": last, "final_info": final}, done)

    def _look(self, mask: np.ndarray) -> tuple[Any, dict[str, Any]]:
        outputs = self._batched.look(self._leaves, self.params)
        fields = {name: np.array(value) for name, value in outputs.items()}
        return self._observation(fields), self._infos(fields, mask)

    def action_masks(self) -> np.ndarray:
        """bool[N, A]: admissible actions now."""
        outputs = self._batched.look(self._started(), self.params)
        return np.asarray(outputs["action_mask"]).astype(bool)

    def render(self) -> tuple[Any, ...] | None:  # type: ignore[override]
        if self.render_mode is None:
            return None
        rows = [jax.tree.map(lambda x, i=i: x[i], self.state) for i in range(self.num_envs)]
        return tuple(gym_program.render(self.core, row, self.params, self.render_mode) for row in rows)

    # arguments of reset

    def _mask(self, mask: np.ndarray | None) -> np.ndarray:
        if mask is None:
            return np.ones(self.num_envs, bool)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise UserError(f"options['reset_mask'] must be a NumPy array bool[{self.num_envs}], got {mask!r}")
        if not mask.any():
            raise UserError("options['reset_mask'] must select at least one environment")
        return mask.copy()

    def _per_env(self, name: str, value: Any) -> Sequence[Any]:
        if value is None or isinstance(value, str | numbers.Integral):
            return [value] * self.num_envs
        if len(value) != self.num_envs:
            raise UserError(f"{name} must be one value or {self.num_envs} of them, got {len(value)}")
        return value

    # saving

    def get_state(self) -> bytes:
        """Everything needed to go on from here, the levels drawn ahead included."""
        generators = [gym_state.generator_state(generator) for generator in self._generators]
        tree = {"state": self.state, **self._books()}
        return gym_state.dump(self._program, tree, {"num_envs": self.num_envs, "generators": generators})

    def set_state(self, data: bytes) -> tuple[Any, dict[str, Any]]:
        """Go on from a saved state; returns observations and infos like ``reset``.

        Raises:
            UserError: if the bytes come from another kind of task or another number of environments.
        """
        saved = gym_state.load(self._program, data)
        if saved.facts.get("num_envs") != self.num_envs:
            raise UserError(f"this state was not saved by a vector of {self.num_envs} environments")
        like = saving.with_axes(self._program.structure, self.num_envs)
        tree = saved.tree({"state": like, **self._books()})
        self._leaves = self._program.leaves_of(tree["state"])
        self._level, self._split, self._ended = tree["level"], tree["split"], tree["ended"]
        self._clock = tree.get("clock", self._clock)
        self._generators = [gym_state.generator_from(state) for state in saved.facts["generators"]]
        levels = self._levels
        levels.ids, levels.head, levels.left = tree["ids"], tree["head"], tree["left"]
        levels.bind(self._batched, self.params)
        self._device = None
        return self._look(np.ones(self.num_envs, bool))

    def _books(self) -> dict[str, np.ndarray]:
        """What is saved beside the states: levels now and drawn ahead."""
        levels = self._levels
        now = {"level": self._level, "split": self._split, "ended": self._ended}
        clock = {} if self._limit is None else {"clock": self._clock}
        return {**now, **clock, "ids": levels.ids, "head": levels.head, "left": levels.left}


def _future(number: Any) -> int:
    return level_number(number, "future")


def _count_up(seed: Any, num_envs: int) -> Any:
    return [int(seed) + i for i in range(num_envs)] if isinstance(seed, numbers.Integral) else seed


def _masked(values: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Gymnasium's vector info: every entry with its own mask, zero where the mask is false."""
    infos: dict[str, Any] = {}
    everywhere = mask.all()
    for name, value in values.items():
        if isinstance(value, dict):
            value = value if f"_{next(iter(value))}" in value else _masked(value, mask)
        elif not everywhere and value.dtype != object:
            value = np.where(mask.reshape(mask.shape + (1,) * (value.ndim - 1)), value, np.zeros_like(value))
        infos[name], infos[f"_{name}"] = value, mask.copy()
    return infos
