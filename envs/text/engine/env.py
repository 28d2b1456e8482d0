"""TextEnv: what the tasks in sentences share, so that the file of a family is its rules."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import PyTree, TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.view import TextView
from rewardax.envs.text.engine.words import NOT_A_COMMAND
from rewardax.envs.text.engine.world import bits, pack

# names in the order of the tables; those of a second kind only where a family has them
_OF_GOALS = ("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress")
_OF_THE_ORACLE = ("oracle_steps", "oracle_start", "goal_distance", "solvable")
_OF_STATES, _OF_EVENTS = ("valid", "invalid_reason", "state_hash", "obs_hash"), ("events", "caption_id")
_ALWAYS = (*_OF_GOALS, *_OF_STATES, *_OF_EVENTS)
_ORDER = (*_OF_GOALS, *_OF_THE_ORACLE, *_OF_STATES, "state_id", *_OF_EVENTS)


def feature_list(*more: str) -> tuple[str, ...]:
    """Names of the features that every family has, and of ``more``.

    >>> feature_list("solvable", "belief")[5:8], feature_list("solvable", "belief")[-2:]
    (('progress', 'solvable', 'valid'), ('caption_id', 'belief'))
    """
    return (*(name for name in _ORDER if name in (*_ALWAYS, *more)), *(name for name in more if name not in _ORDER))


def first_record(history: int, subgoals: Any = jnp.uint8, clock: Any = jnp.int16) -> dict[str, Array]:
    """Fields of a state before its first step: no subgoal reached, nothing said, clock at 0.

    Args:
        history: how many earlier replies are kept.
        subgoals: integer type with a bit for every subgoal.
        clock: integer type of the steps taken.
    """
    return {
        "latched": subgoals(0),
        "fresh": subgoals(0),
        "log": jnp.zeros((1 + history, 1 + L.WORDS_PER_LINE), jnp.int16),
        "t": clock(0),
    }


@dataclasses.dataclass(frozen=True)
class TextEnv(TextView):
    """A task in sentences.

    A family gives its words (``words``), its numbers (``params_class``), a state with the fields ``latched``,
    ``fresh``, ``log`` and ``t`` (see :func:`first_record`), ``reset``, ``action_mask``, ``step`` and the hooks below;
    observations, commands, common features and the end of a step are made here.

    Features of every family: ``success``, ``failure``; ``subgoals`` reached so far, ``subgoals_now`` true now,
    ``subgoal_event`` first reached in this step; ``progress``, the share of the level's subgoals; ``valid``,
    ``invalid_reason`` of the last action (0 accepted, 1 not admissible, 2 not a command); ``state_hash``,
    ``obs_hash``; ``events``, ``caption_id`` of the last step. Where a family has them: ``oracle_steps``, fewest steps
    to success, knowing everything, ``oracle_start``, the same at the start, and ``solvable``.
    """

    params_class: ClassVar[type]
    feature_names: ClassVar[tuple[str, ...]] = feature_list()
    # fields of a state that its hash leaves out: what follows from others, and what is about the last step
    unhashed: ClassVar[frozenset[str]] = frozenset(
        ("paths", "fresh", "events", "log", "t", "dynamics", "oracle_start"),
    )

    def default_params(self) -> PyTree:
        return self.params_class()

    def horizon(self, params: PyTree) -> int:
        return int(params.horizon)

    # what a family provides

    def _success(self, state: PyTree, params: PyTree) -> Array:
        """bool."""
        raise NotImplementedError

    def _failure(self, state: PyTree, params: PyTree) -> Array:
        """bool."""
        return jnp.bool_(False)

    def _subgoals(self, state: PyTree, params: PyTree) -> Array:
        """bool[G]: true now, in the order of ``subgoal_names``."""
        raise NotImplementedError

    def _subgoal_count(self, state: PyTree, params: PyTree) -> Array:
        """int: subgoals that this level has."""
        return jnp.int32(len(self.subgoal_names))

    def _progress(self, state: PyTree, params: PyTree) -> Array:
        """f32 in [0, 1]: share of the level's subgoals that are reached."""
        reached = bits(state.latched, len(self.subgoal_names)).sum()
        return reached / self._subgoal_count(state, params).astype(jnp.float32)

    def _events(self, state: PyTree, params: PyTree) -> Array:
        """bool[E]: events of the last step."""
        return bits(state.events, len(self.event_names))

    def _caption_offset(self, state: PyTree) -> Array:
        """int: number of the caption among those of the last reply."""
        return jnp.int32(0)

    def _own_features(self, state: PyTree, params: PyTree, common: dict[str, Array]) -> dict[str, Array]:
        """Features that only this family has, given the common ones."""
        return {}

    def oracle_steps(self, state: PyTree, params: PyTree) -> Array:
        """int32: fewest steps to success, knowing everything; 0 at success."""
        raise NotImplementedError

    # step

    def _turn(self, action: Array, mask: Array) -> Turn:
        return Turn.of(self.words, action, mask)

    def _after(self, state: PyTree, new: PyTree, subgoals: Array, *reply: Any) -> PyTree:
        """The new state with its ``subgoals`` bool[G], the reply (template, words) in the log, its clock a step on."""
        now = pack(subgoals, state.latched.dtype)
        return new.replace(
            latched=state.latched | now,
            fresh=now & ~state.latched,
            log=self._remember(state.log, *reply),
            t=state.t + state.t.dtype.type(1),
        )

    @staticmethod
    def _remember(log: Array, template: Any, *words: Any) -> Array:
        """Put a reply on top of the log int16[1 + history, 5]."""
        padding = [jnp.zeros((), jnp.int32)] * (L.WORDS_PER_LINE - len(words))
        entry = jnp.stack([jnp.asarray(w, jnp.int32) for w in (template, *words, *padding)]).astype(jnp.int16)
        return jnp.concatenate([entry[None], log[:-1]])

    def _timestep(self, state: PyTree, new: PyTree, valid: Array, params: PyTree) -> TimeStep:
        """1 (less the time bonus) on the step that succeeds, minus the price of a refused command."""
        over = self._success(new, params)
        won = (over & ~self._success(state, params)).astype(jnp.float32)
        reward = won * (1.0 - params.time_bonus * new.t / params.horizon) - ~valid * params.invalid_penalty
        over |= self._failure(new, params)
        return TimeStep(reward.astype(jnp.float32), over, (new.t >= params.horizon) & ~over, won)

    # features

    def features(self, state: PyTree, params: PyTree) -> dict[str, Array]:
        reason, count = self._invalid_reason(state), len(self.subgoal_names)
        common = {
            "success": self._success(state, params),
            "failure": self._failure(state, params),
            "subgoals": bits(state.latched, count),
            "subgoals_now": self._subgoals(state, params),
            "subgoal_event": bits(state.fresh, count),
            "progress": self._progress(state, params),
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": self._state_hash(state),
            "obs_hash": self._obs_hash(state, params),
            "events": self._events(state, params),
            "caption_id": self._caption(state),
        }
        if "oracle_steps" in self.feature_names:
            common["oracle_steps"] = self.oracle_steps(state, params)
            common["oracle_start"] = self._oracle_start(state, params)
        if "solvable" in self.feature_names:
            common["solvable"] = common["oracle_steps"] >= 0
        return common | self._own_features(state, params, common)

    def _oracle_start(self, state: PyTree, params: PyTree) -> Array:
        return state.oracle_start.astype(jnp.int32)

    def _invalid_reason(self, state: PyTree) -> Array:
        """uint8: 0 accepted, 1 not admissible, 2 not a command."""
        template = state.log[0, 0]
        refused = jnp.asarray(self._refusals)[template]
        return jnp.where(template == self.words.row[NOT_A_COMMAND], 2, refused).astype(jnp.uint8)

    @functools.cached_property
    def _refusals(self) -> np.ndarray:
        return np.array([name.startswith(("refuse_", NOT_A_COMMAND)) for name in self.templates.names])

    def _state_hash(self, state: PyTree) -> Array:
        names = [field.name for field in dataclasses.fields(state) if field.name not in self.unhashed]
        return L.hash_words(*(getattr(state, name) for name in names))

    def _obs_hash(self, state: PyTree, params: PyTree) -> Array:
        seen = self.observe(state, params)
        return L.hash_words(jnp.where((seen["line_type"] == L.CLOCK)[:, None], 0, seen["lines"]))

    def _caption(self, state: PyTree) -> Array:
        start = jnp.asarray(self.words.caption_start)[state.log[0, 0]]
        return (start + self._caption_offset(state)).astype(jnp.int32)
