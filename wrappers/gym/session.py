"""One running reward: the bookkeeping between an environment on the host and a compiled transform.

:class:`RewardSession` is shared by the single wrapper, the vector wrapper and the environments that take a
``reward=`` argument. It knows nothing of autoreset modes: its callers say which rows are padding, what the
true successor was and what the next step starts from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import narrow
from rewardax.base.errors import UserError
from rewardax.base.forked import forked_after_jax, refuse_forked
from rewardax.base.seeds import as_seed
from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition, in_hindsight
from rewardax.wrappers.gym.door import OtherKind, Seen, canonical, lift, numeric, same_kind
from rewardax.wrappers.gym.fitted import Fitted
from rewardax.wrappers.gym.packed import PackedStep
from rewardax.wrappers.gym.session_program import Given, Last, Moved, Outcome, pad, programs
from rewardax.wrappers.gym.session_saved import Saved
from rewardax.wrappers.judges.feedback import merged
from rewardax.wrappers.requirements import require_features

COMPILED = ("_programs", "_numbers", "_packed")


class RewardSession(Fitted, Saved):
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
    >>> no = np.zeros(2, bool)
    >>> session.step([1, 0], np.ones((2, 3), np.float32), {}, [0.5, 0.0], [True, False], no).episode
    {'task': array([0.5, 0. ])}
    """

    def __init__(
        self, reward: RewardTransform, num_envs: int, action: PyTree, *, learn_every: int = 128, seed: int = 0
    ) -> None:
        if not reward.causal:
            raise UserError(
                f"{in_hindsight(reward)} needs hindsight: its rewards are right only after learn() has seen "
                "whole episodes, so no step-by-step environment can pay them, nor what stands behind it in a chain. "
                "Use it in rewardax.train."
            )
        if learn_every < 1:
            raise UserError(f"learn_every counts steps and must be at least 1, got {learn_every}")
        self.reward = reward
        self.num_envs = num_envs
        self.learn_every = learn_every
        self.component_names: tuple[str, ...] = ()
        self.metric_names: tuple[str, ...] = ()
        self._seed = as_seed(seed)
        self._every = np.ones(num_envs, bool)
        self._kind = Seen((), {}, jax.tree.map(np.zeros_like, numeric(action)))  # zeros of what comes in
        self._mixed = False  # something came in that is not of this kind
        self._compile()
        self._state: State | None = None  # made at the first reset, which shows the shapes
        self._fresh: PyTree = ()
        self._last: Any = None
        self._sums = np.zeros((0, num_envs))  # [components, N] of the running episodes
        self._rollout: PyTree = ()
        self._rows = 0  # rows of the rollout that are filled
        self._feedback: dict[str, dict[str, np.ndarray]] = {}
        self._restore: Mapping[str, np.ndarray] | None = None

    def _compile(self) -> None:
        numbers, self._structure = jax.tree.flatten(self.reward)
        self._programs = programs(self._structure)
        self._packed: PackedStep | None = None  # made at the first step of one environment
        if not forked_after_jax():
            self._numbers = [narrow(jnp.asarray(x)) for x in numbers]

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in vars(self).items() if name not in COMPILED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._compile()

    def reset(
        self,
        observation: PyTree,
        features: Mapping[str, Any],
        mask: np.ndarray | None = None,
        components: Mapping[str, Any] | None = None,
    ) -> None:
        """Open an episode in the environments of ``mask`` (default: all). Twice in a row equals once.

        ``components`` are those an inner reward posts (any values), if there is one.
        """
        refuse_forked()
        mask = np.ones(self.num_envs, bool) if mask is None else np.array(mask, bool)
        if self._state is None and not mask.all():
            raise UserError("the first reset must be of all environments: leave options['reset_mask'] out")
        new = Last(numeric(observation), numeric(features), mask)
        if self._state is None:
            self._build(new, components)
        if self._mixed:
            new = self._fitted(new)
        try:
            self._reset(new)
        except OtherKind:
            self._reset(self._fitted(new))
        if self._packed is not None:
            self._packed.put(self._last)
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
            valid: bool[N], false on padding steps (NEXT_STEP autoreset); all true by default.
            after: observation and features the next step starts from, if not the successor (SAME_STEP).
            components: those an inner reward posted; by default the reward opens as ``task``.
        """
        if self._state is None:
            raise RuntimeError("call reset() before step(): it shows the reward its first observation")
        terminated, truncated = np.asarray(terminated, bool), np.asarray(truncated, bool)
        valid = self._every if valid is None else np.asarray(valid, bool)
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
        if self._mixed:
            moved = self._fitted(moved)
        try:
            table = self._step(moved)
        except OtherKind:
            table = self._step(self._fitted(moved))
        return self._enter(table, (terminated | truncated) & valid)

    def step_one(
        self,
        action: PyTree,
        next_observation: PyTree,
        next_features: Mapping[str, Any],
        reward: float,
        terminated: bool,
        truncated: bool,
        valid: bool = True,
        components: Mapping[str, float] | None = None,
    ) -> Outcome:
        """What :meth:`step` does, for one environment and without the axis ``N``, quicker.

        Returns:
            an :class:`Outcome` of plain numbers.

        Raises:
            UserError: ``num_envs`` is not 1.
        """
        if self.num_envs != 1:
            raise UserError(f"step_one is for one environment, not for {self.num_envs}: use step")
        try:
            if self._packed is None:
                self._packed = self._pack()
            self._packed.fill(action, next_observation, next_features, reward, terminated, truncated, valid, components)
        except OtherKind:
            self._packed = None
            seen = lift(action), lift(next_observation), lift(next_features)
            posted = {name: np.array([x], np.float32) for name, x in (components or {}).items()}
            paid = self.step(*seen, [reward], [terminated], [truncated], [valid], components=posted)
            return Outcome(*jax.tree.map(lambda x: float(x[0]), tuple(paid)))
        assert self._state is not None
        row = np.int32(self._rows) if self._rollout else None
        table, self._state, self._rollout = self._packed(self._numbers, self._fresh, self._state, self._rollout, row)
        self._last = self._packed.last
        self._finish_row()
        first, last = 1, 1 + len(self.component_names)
        self._sums += table[first:last]
        numbers, episode = table[:, 0].tolist(), None
        if valid and (terminated or truncated):
            episode = dict(zip(self.component_names, self._sums[:, 0].tolist(), strict=True))
            self._sums[:] = 0.0
        components = dict(zip(self.component_names, numbers[first:last], strict=True))
        return Outcome(numbers[0], components, dict(zip(self.metric_names, numbers[last:], strict=True)), episode)

    @property
    def regular(self) -> bool:
        """Whether all that came in was of the kind that the first reset showed, as :meth:`inside` needs it."""
        return self._state is not None and not self._mixed

    def inside(self, valid: np.ndarray | None) -> tuple[Any, Given, Any]:
        """What native environments compute along with a step, in place of :meth:`step`.

        Returns:
            a function, what it is given, and the memory that it replaces; :meth:`paid` takes what comes out.
        """
        given = Given(self._numbers, self._fresh, np.int32(self._rows), self._last, valid)
        return self._programs.along, given, (self._state, self._rollout)

    def paid(
        self,
        table: Array,
        memory: Any,
        start: tuple[PyTree, Mapping[str, Any]],
        ended: np.ndarray,
        valid: np.ndarray | None,
    ) -> Outcome:
        """Enter a step that was computed along with the environments' own.

        Args:
            table, memory: what came out.
            start: observation and features that the next step starts from, in at most 32 bits.
            ended: bool[N].
            valid: bool[N] as given to :meth:`inside`.
        """
        self._state, self._rollout = memory
        observation, features = start
        first = ended if valid is None else ended | ~valid
        self._last = Last(observation, {name: features[name] for name in self._last.features}, first)
        return self._enter(np.asarray(table), ended if valid is None else ended & valid)

    def feed(self, feedback: Mapping[str, Mapping[str, Any]]) -> None:
        """Hand in late labels, ``{component: {"caption": i32[K], "value": f32[K]}}``.

        They wait here for the next ``learn`` (at most ``learn_every`` steps). Lengths are padded to powers
        of two, with ids that point outside every table, so that a changing number of labels does not
        recompile. Of several labels of one caption the last counts.

        Raises:
            UserError: the reward takes no such labels; see :func:`rewardax.wrappers.judges.feedback.merged`.
        """
        self._feedback = merged(self.reward, self._feedback, feedback)

    @property
    def started(self) -> bool:
        """Whether a first reset has shown the shapes and the memory exists."""
        return self._state is not None

    @property
    def until_learn(self) -> int:
        """Steps until the next ``learn`` of a reward that learns."""
        return self.learn_every - self._rows

    @property
    def state(self) -> State:
        """A copy of what the reward remembers now."""
        if self._state is None:
            raise RuntimeError("the reward remembers nothing before the first reset()")
        return jax.tree.map(jnp.copy, self._state)

    def _build(self, new: Last, components: Mapping[str, Any] | None) -> None:
        require_features(self.reward, new.features)
        seen = Seen(new.observation, new.features, self._kind.action)
        self._kind = jax.tree.map(lambda x: np.zeros(x.shape, canonical(x)), seen)
        self._opened = tuple(components) if components else ()
        self._state, self._fresh, self._last, (transition, rewards) = self._empty()
        self.component_names, self.metric_names = (
            tuple(sorted(rewards.components)),
            tuple(sorted(rewards.metrics)),
        )
        self._sums = np.zeros((len(self.component_names), self.num_envs))
        if self.reward.learns:
            self._rollout = jax.tree.map(
                lambda x: jnp.zeros((self.learn_every, *x.shape), x.dtype), (transition, rewards)
            )
        if self._restore is not None:
            self.load_state_dict(self._restore)

    def _empty(self) -> tuple[State, PyTree, Last, tuple[Transition, Rewards]]:
        """Memory and its part that is forgotten, where a step starts from, and shapes of what it gives: nothing yet."""
        observation, features, action = self._kind
        no: Any = np.zeros(self.num_envs, bool)
        pay: Any = np.zeros(self.num_envs, np.float32)
        example = Transition(
            observation=observation,
            action=action,
            next_observation=observation,
            reward=pay,
            terminated=no,
            truncated=no,
            first=~no,
            valid=~no,
            features=features,
            next_features=features,
        )
        state = self._programs.init(self._numbers, jax.random.key(self._seed), example)
        fresh = jax.tree.map(jnp.copy, state.episode)
        last = Last(observation, features, no)
        try:
            transition, rewards, _ = jax.eval_shape(
                self._programs.pay, self._numbers, fresh, state, last, self._example()
            )
        except (AttributeError, TypeError) as error:
            if jax.tree.leaves(action):
                raise
            raise UserError(
                f"{type(self.reward).__name__} reads actions, and those of this environment are no arrays of one shape "
                f"({error})"
            ) from error
        return state, fresh, last, (transition, rewards)

    def _example(self) -> Moved:
        """A step in which nothing happens, in the shapes and dtypes of all steps."""
        no, pay = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, np.float32)
        opened = dict.fromkeys(self._opened, pay) or None
        observation, features, action = self._kind
        return Moved(action, observation, features, pay, no, no, ~no, opened, None)

    def _pack(self) -> PackedStep:
        if self._state is None or self._mixed:
            raise OtherKind
        return PackedStep(self._structure, self._example(), self._last)

    def _reset(self, new: Last) -> None:
        assert self._state is not None
        same_kind(self._last, new)
        mask, last = new.first, self._last
        if not mask.all():
            new = Last(
                _rows_where(mask, new.observation, last.observation),
                _rows_where(mask, new.features, last.features),
                mask | last.first,
            )
        self._state = self._state._replace(episode=self._programs.forget(mask, self._fresh, self._state.episode))
        self._last = new

    def _step(self, moved: Moved) -> np.ndarray:
        row = np.int32(self._rows)
        table, self._state, self._rollout = self._programs.step(
            self._numbers, self._fresh, self._state, self._rollout, row, self._last, moved
        )
        observation, features = moved.after or (moved.next_observation, moved.next_features)
        first = moved.terminated | moved.truncated | ~moved.valid  # an episode opens after an end or a padding step
        self._last = Last(observation, features, first)
        return np.asarray(table)

    def _finish_row(self) -> None:
        if self._rollout:
            self._rows += 1
            if self._rows == self.learn_every:
                self._learn()

    def _enter(self, table: np.ndarray, done: np.ndarray) -> Outcome:
        self._finish_row()
        posted = 1 + len(self.component_names)
        self._sums += table[1:posted]
        episode = None
        if done.any():
            sums = np.where(done, self._sums, 0.0)
            episode = dict(zip(self.component_names, sums, strict=True))
            self._sums[:, done] = 0.0
        components = dict(zip(self.component_names, table[1:posted], strict=True))
        return Outcome(table[0], components, dict(zip(self.metric_names, table[posted:], strict=True)), episode)

    def _learn(self) -> None:
        feedback = {
            component: {name: pad(x) for name, x in fields.items()} for component, fields in self._feedback.items()
        }
        self._state = self._programs.learn(self._numbers, self._state, self._rollout, feedback or None)
        self._rows = 0
        self._feedback = {}


def _rows_where(mask: np.ndarray, yes: PyTree, no: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: np.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b), yes, no)
