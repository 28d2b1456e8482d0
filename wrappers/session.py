"""One running reward: the bookkeeping between an environment that lives on the host and a compiled transform.

:class:`RewardSession` is shared by the single wrapper, the vector wrapper and the environments that take a ``reward=``
argument. It knows nothing of autoreset modes: its callers say which rows are fillers, what the true successor was and
what the next step starts from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition, advance, env_where

PADDING = np.iinfo(np.int32).max  # label id that points outside every table


class Outcome(NamedTuple):
    """What one step paid, for ``N`` environments."""

    reward: np.ndarray  # f32[N] sum of the components
    components: dict[str, np.ndarray]  # name -> f32[N]
    metrics: dict[str, np.ndarray]  # name -> f32[N]
    episode: dict[str, np.ndarray] | None  # name -> f64[N] sums over the episode, where one ended; else None


class Last(NamedTuple):
    """Where the next step starts from."""

    observation: PyTree
    features: PyTree
    first: Any


class Moved(NamedTuple):
    """What the environment reported about one step."""

    action: PyTree
    next_observation: PyTree
    next_features: PyTree
    reward: Any
    terminated: Any
    truncated: Any
    valid: Any
    components: Any  # posted by a reward further in, or None
    after: Any  # (observation, features) the next step starts from, or None: the successor


class Programs(NamedTuple):
    """The functions of one reward structure; the numbers in the reward are arguments."""

    init: Callable[..., State]
    pay: Callable[..., tuple[Transition, Rewards, State]]
    step: Callable[..., tuple[Array, State, PyTree, Last]]
    reset: Callable[..., tuple[PyTree, Last]]
    learn: Callable[..., State]


@functools.lru_cache(maxsize=256)
def programs(structure: Any) -> Programs:
    """Compiled once per structure, so that many wrappers around like rewards share the work."""

    def init(numbers: list[Array], key: Array, example: Transition) -> State:
        return structure.unflatten(numbers).init(key, example)

    def pay(
        numbers: list[Array], fresh: PyTree, state: State, last: Last, moved: Moved
    ) -> tuple[Transition, Rewards, State]:
        transition = Transition(
            observation=last.observation,
            action=moved.action,
            next_observation=moved.next_observation,
            reward=jnp.asarray(moved.reward, jnp.float32),
            terminated=moved.terminated,
            truncated=moved.truncated,
            first=last.first,
            valid=moved.valid,
            features=last.features,
            next_features=moved.next_features,
        )
        reward = structure.unflatten(numbers)
        return transition, *advance(reward, state, fresh, transition, moved.components)

    def step(
        numbers: list[Array], fresh: PyTree, state: State, rollout: PyTree, row: Any, last: Last, moved: Moved
    ) -> tuple[Array, State, PyTree, Last]:
        transition, rewards, state = pay(numbers, fresh, state, last, moved)
        if rollout:
            rollout = jax.tree.map(lambda kept, x: kept.at[row].set(x), rollout, (transition, rewards))
        posted = [rewards.total, *by_name(rewards.components), *by_name(rewards.metrics)]
        table = jnp.stack([jnp.broadcast_to(x, transition.valid.shape).astype(jnp.float32) for x in posted])
        observation, features = moved.after or (moved.next_observation, moved.next_features)
        opens = (
            transition.done | ~transition.valid
        )  # after an end or a filler, the next step opens an episode
        return table, state, rollout, Last(observation, features, opens)

    def reset(fresh: PyTree, episode: PyTree, last: Last, new: Last) -> tuple[PyTree, Last]:
        return env_where(new.first, fresh, episode), Last(
            env_where(new.first, new.observation, last.observation),
            env_where(new.first, new.features, last.features),
            last.first | new.first,
        )

    def learn(numbers: list[Array], state: State, rollout: PyTree, feedback: Any) -> State:
        transitions, rewards = rollout
        return structure.unflatten(numbers).learn(rewards, state, transitions, feedback)[1]

    return Programs(jax.jit(init), pay, jax.jit(step, donate_argnums=(2, 3)), jax.jit(reset), jax.jit(learn))


class RewardSession:
    """Runs one reward over ``num_envs`` environments, one compiled call per step.

    Args:
        reward: the transform. One that needs hindsight (``causal`` false) is refused.
        num_envs: number of environments ``N``; every array handed in has this leading axis.
        action: an example action ``[N, ...]`` (only shape and dtype are read).
        learn_every: steps between two calls of ``reward.learn``, if it learns at all.
        seed: seed of the reward's own memory (networks, keys).

    What it remembers can be read with :attr:`state`, saved with :meth:`state_dict` and restored with
    :meth:`load_state_dict`, after which it continues bit for bit.

    >>> import numpy as np
    >>> from rewardax.wrappers.core import chain
    >>> session = RewardSession(chain(), num_envs=2, action=np.zeros(2, np.int32))
    >>> session.reset(np.zeros((2, 3), np.float32), {})
    >>> session.step([1, 0], np.ones((2, 3), np.float32), {}, [0.5, 0.0], [True, False], [False, False]).episode
    {'task': array([0.5, 0. ])}
    """

    def __init__(
        self, reward: RewardTransform, num_envs: int, action: PyTree, *, learn_every: int = 128, seed: int = 0
    ) -> None:
        if not reward.causal:
            raise ValueError(
                f"{type(reward).__name__} needs hindsight: its rewards are right only after learn() has seen whole "
                "episodes, so no step-by-step environment can pay them. Train with rewardax.train, or drop it."
            )
        if learn_every < 1:
            raise ValueError(f"learn_every counts steps and must be at least 1, got {learn_every}")
        self.reward = reward
        self.num_envs = num_envs
        self.learn_every = learn_every
        self.component_names: tuple[str, ...] = ()
        self.metric_names: tuple[str, ...] = ()
        self._seed = seed
        self._action = jax.tree.map(np.zeros_like, numeric(action))
        numbers, structure = jax.tree.flatten(reward)
        self._numbers = [jnp.asarray(x) for x in numbers]
        self._programs = programs(structure)
        self._state: State | None = None  # made at the first reset, which shows the shapes
        self._fresh: PyTree = ()
        self._rollout: PyTree = ()
        self._rows = 0  # rows of the rollout that are filled
        self._feedback: dict[str, dict[str, np.ndarray]] = {}
        self._restore: Mapping[str, np.ndarray] | None = None

    def reset(
        self,
        observation: PyTree,
        features: Mapping[str, Any],
        mask: np.ndarray | None = None,
        components: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Open an episode in the environments of ``mask`` (all by default); calling it twice changes nothing more.

        ``components`` are those an inner reward posts (any values), if there is one.
        """
        mask = np.ones(self.num_envs, bool) if mask is None else np.array(mask, bool)
        new = Last(numeric(observation), numeric(features), mask)
        if self._state is None:
            self._build(new, components)
        state = self._state
        assert state is not None
        episode, self._last = self._programs.reset(self._fresh, state.episode, self._last, new)
        self._state = state._replace(episode=episode)
        self._sums[:, mask] = 0.0

    def step(
        self,
        action: PyTree,
        next_observation: PyTree,
        next_features: Mapping[str, Any],
        reward: Any,
        terminated: Any,
        truncated: Any,
        valid: Any = None,
        after: tuple[PyTree, Mapping[str, Any]] | None = None,
        components: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Pay one step of all environments.

        Args:
            action: what was done, ``[N, ...]``.
            next_observation, next_features: the true successor, never an autoreset one.
            reward: f32[N] as the environment gave it.
            terminated, truncated: bool[N].
            valid: bool[N], false on filler steps (NEXT_STEP autoreset); all true by default.
            after: observation and features the next step starts from, where they are not the successor (SAME_STEP).
            components: those an inner reward posted; by default the reward opens as ``task``.
        """
        if self._state is None:
            raise RuntimeError(
                "step() before reset(): call reset() first, which shows the reward its observations"
            )
        terminated, truncated = np.asarray(terminated, bool), np.asarray(truncated, bool)
        valid = np.ones(self.num_envs, bool) if valid is None else np.asarray(valid, bool)
        moved = Moved(
            numeric(action),
            numeric(next_observation),
            numeric(next_features),
            np.asarray(reward, np.float32),
            terminated,
            truncated,
            valid,
            dict(components) if components else None,
            None if after is None else (numeric(after[0]), numeric(after[1])),
        )
        table, self._state, self._rollout, self._last = self._programs.step(
            self._numbers, self._fresh, self._state, self._rollout, np.int32(self._rows), self._last, moved
        )
        outcome = self._outcome(np.asarray(table), (terminated | truncated) & valid)
        if self._rollout:
            self._rows += 1
            if self._rows == self.learn_every:
                self._learn()
        return outcome

    def feed(self, feedback: Mapping[str, Mapping[str, Any]]) -> None:
        """Hand in late labels, ``{component: {"caption": i32[K], "value": f32[K]}}``; the next ``learn`` takes them.

        Labels wait here until then (at most ``learn_every`` steps). Lengths are padded to powers of two, with ids
        that point outside every table, so that a changing number of labels does not recompile.
        """
        if not self.reward.learns:
            raise ValueError(f"{type(self.reward).__name__} learns nothing, so no feedback can reach it")
        for component, fields in feedback.items():
            waiting = self._feedback.setdefault(component, {})
            for name, values in fields.items():
                array = np.atleast_1d(np.asarray(values))
                array = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
                waiting[name] = np.concatenate([waiting[name], array]) if name in waiting else array

    @property
    def state(self) -> State:
        """A copy of what the reward remembers now."""
        if self._state is None:
            raise RuntimeError("the reward remembers nothing before the first reset()")
        return jax.tree.map(jnp.copy, self._state)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything needed to continue bit for bit, as flat arrays (``np.savez`` takes them)."""
        if self._state is None:
            raise RuntimeError("nothing to save before the first reset()")
        return {name: to_host(x) for name, x in self._named().items()}

    def load_state_dict(self, saved: Mapping[str, np.ndarray]) -> None:
        """Continue from :meth:`state_dict` of a session with the same reward, observations and ``num_envs``.

        Before the first reset the arrays are kept and applied by it (that reset then opens a new episode).
        """
        if self._state is None:
            self._restore = dict(saved)
            return
        named = {name: x for name, x in self._named().items() if not name.startswith("feedback/")}
        given = {name: x for name, x in saved.items() if not name.startswith("feedback/")}
        if named.keys() != given.keys():
            odd = sorted(named.keys() ^ given.keys())
            raise ValueError(
                f"saved state belongs to another reward or environment: {odd[0]!r} is on one side only"
            )
        for name, x in named.items():
            if to_host(x).shape != np.shape(given[name]):
                raise ValueError(
                    f"saved {name!r} has shape {np.shape(given[name])}, this session needs {to_host(x).shape}"
                )
        self._rows = int(given["rows"])
        self._sums = np.array(given["sums"])
        carried = (self._state, self._rollout, self._last)
        leaves = [from_host(given[name], x) for name, x in named.items() if name not in ("rows", "sums")]
        self._state, self._rollout, self._last = jax.tree.unflatten(jax.tree.structure(carried), leaves)
        self._feedback = {}
        for name, x in saved.items():
            if name.startswith("feedback/"):
                _, component, field = name.split("/")
                self._feedback.setdefault(component, {})[field] = np.array(x)

    def _build(self, new: Last, components: Mapping[str, np.ndarray] | None) -> None:
        missing = [name for name in self.reward.requires if name not in new.features]
        if missing:
            raise ValueError(
                f"reward transform needs feature {missing[0]!r}; this environment provides {sorted(new.features)}"
            )
        no = np.zeros(self.num_envs, bool)
        pay = np.zeros(self.num_envs, np.float32)
        example = Transition(
            new.observation, self._action, new.observation, pay, no, no, ~no, ~no, new.features, new.features
        )
        state = self._programs.init(self._numbers, jax.random.key(self._seed), example)
        self._fresh = jax.tree.map(jnp.copy, state.episode)
        opened = dict.fromkeys(components, pay) if components else None
        moved = Moved(self._action, new.observation, new.features, pay, no, no, ~no, opened, None)
        transition, rewards, _ = jax.eval_shape(
            self._programs.pay, self._numbers, self._fresh, state, new, moved
        )
        self.component_names, self.metric_names = (
            tuple(sorted(rewards.components)),
            tuple(sorted(rewards.metrics)),
        )
        self._sums = np.zeros((len(self.component_names), self.num_envs))
        self._last = jax.tree.map(jnp.zeros_like, new)
        if self.reward.learns:
            self._rollout = jax.tree.map(
                lambda x: jnp.zeros((self.learn_every, *x.shape), x.dtype), (transition, rewards)
            )
        self._state = state
        if self._restore is not None:
            self.load_state_dict(self._restore)

    def _outcome(self, table: np.ndarray, done: np.ndarray) -> Outcome:
        posted = 1 + len(self.component_names)
        self._sums += table[1:posted]
        episode = None
        if done.any():
            sums = np.where(done, self._sums, 0.0)
            episode = dict(zip(self.component_names, sums, strict=True))
            self._sums[:, done] = 0.0
        components = dict(zip(self.component_names, table[1:posted], strict=True))
        return Outcome(
            table[0], components, dict(zip(self.metric_names, table[posted:], strict=True)), episode
        )

    def _learn(self) -> None:
        feedback = {
            component: {name: pad(x) for name, x in fields.items()}
            for component, fields in self._feedback.items()
        }
        self._state = self._programs.learn(self._numbers, self._state, self._rollout, feedback or None)
        self._rows = 0
        self._feedback = {}

    def _named(self) -> dict[str, Any]:
        carried = ("state", self._state), ("rollout", self._rollout), ("last", self._last)
        named = {
            part + jax.tree_util.keystr(path): x
            for part, tree in carried
            for path, x in jax.tree_util.tree_leaves_with_path(tree)
        }
        waiting = {
            f"feedback/{component}/{field}": x
            for component, fields in self._feedback.items()
            for field, x in fields.items()
        }
        return {**named, "rows": np.int32(self._rows), "sums": self._sums, **waiting}


def numeric(tree: PyTree) -> PyTree:
    """The numbers of an observation: arrays are kept, strings and other objects dropped.

    >>> numeric({"image": np.zeros((1, 2)), "mission": ("go",)})
    {'image': array([[0., 0.]]), 'mission': ()}
    """
    if isinstance(tree, np.ndarray):
        return tree if tree.dtype.kind in "biuf" else None
    if isinstance(tree, Mapping):
        return {name: x for name, inner in tree.items() if (x := numeric(inner)) is not None}
    if isinstance(tree, tuple):
        return tuple(x for inner in tree if (x := numeric(inner)) is not None)
    if isinstance(tree, list):
        return np.asarray(tree)
    return tree if isinstance(tree, Array) else None


def by_name(arrays: Mapping[str, Any]) -> list[Any]:
    """Values in the order of their names: compiled functions return dicts in that order."""
    return [arrays[name] for name in sorted(arrays)]


def pad(values: np.ndarray) -> np.ndarray:
    """Lengthen to a power of two with ids outside every table, or NaN (no verdict)."""
    short = (1 << max(len(values) - 1, 0).bit_length()) - len(values)
    filler = np.nan if values.dtype.kind == "f" else PADDING
    return np.concatenate([values, np.full((short, *values.shape[1:]), filler, values.dtype)])


def to_host(x: Any) -> np.ndarray:
    """An array, or the bits of a random key, as NumPy (a copy)."""
    is_key = isinstance(x, Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
    return np.array(jax.random.key_data(x) if is_key else x)


def from_host(saved: np.ndarray, like: Array) -> Array:
    """Inverse of :func:`to_host`."""
    if jax.dtypes.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(saved), impl=jax.random.key_impl(like))
    return jnp.array(saved, like.dtype)
