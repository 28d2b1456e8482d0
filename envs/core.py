"""Contract of every environment: a functional core without autoreset.

An :class:`Env` is static and hashable (array sizes, vocabulary, view); its difficulty is a pytree of traced numbers
(``params``), so that one compilation serves every difficulty of a family. All methods handle ONE environment and are
meant to be ``vmap``-ed; nothing in them calls the host. Those of :data:`COMPILED` are compiled on their first call, and
cost nothing inside of another compiled function; they give 32-bit numbers also under ``jax_enable_x64``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.base.arrays import narrow

PyTree = Any
THREEFRY = "threefry2x32"  # the kind of random keys all our environments use, the same on every machine
COMPILED = frozenset({"reset", "step", "observe", "features", "action_mask"})


class TimeStep(struct.PyTreeNode):
    """What one step returns beside the new state."""

    reward: Array  #: f32[] increment
    terminated: Array  #: bool[] success, failure or absorbing
    truncated: Array  #: bool[] step limit only
    performance: Array  #: f32[] increment of the hidden true score; never among the features


def in_32_bits(method: Callable[..., Any]) -> Callable[..., Any]:
    """``method`` with results of at most 32 bits, as without ``jax_enable_x64``."""

    @functools.wraps(method)
    def narrowed(*arguments: Any) -> Any:
        return jax.tree.map(narrow, method(*arguments))

    return narrowed


class Env:
    """Base class of the functional cores. Subclasses are frozen dataclasses.

    ``params`` is a pytree of numbers; ``state`` is a pytree that starts at ``reset`` and contains everything (also the
    event bits and the feedback of the last step), so that observations and features are pure functions of it.
    """

    family: ClassVar[str]  #: name in ids and cards, e.g. "DoorKey"
    feature_names: ClassVar[tuple[str, ...]] = ()  #: keys of features()
    event_names: ClassVar[tuple[str, ...]] = ()  #: names of the bits in features()["events"]
    subgoal_names: ClassVar[tuple[str, ...]] = ()  #: names of the bits in features()["subgoals"]
    ends_can_coincide: ClassVar[bool] = False  #: may a step that terminates at the limit be truncated too?

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in COMPILED & vars(cls).keys():
            setattr(cls, name, jax.jit(in_32_bits(vars(cls)[name]), static_argnums=0, inline=True))

    @property
    def action_names(self) -> tuple[str, ...]:
        """One readable name per action; their number is the size of the action space."""
        raise NotImplementedError

    @property
    def num_actions(self) -> int:
        return len(self.action_names)

    @property
    def captions(self) -> tuple[str, ...]:
        """Sentences that ``features()["caption_id"]`` points at: what just happened, for judges."""
        return ()

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of all features that a reward can ask for: beside ``feature_names``, where there is an oracle,
        ``advice`` f32[A], 0.99^(steps to success after it) for every action, computed where a reward asks for it; of
        tasks in sentences also ``action_lines`` int32[A, W], what every action says, for policies that read it."""
        known = self.feature_names
        more = ("advice",) * ("oracle_steps" in known) + ("action_lines",) * hasattr(self, "action_lines")
        return (*known, *(name for name in more if name not in known))

    def default_params(self) -> PyTree:
        """Traced numbers: difficulty parameters, probabilities, reward constants."""
        raise NotImplementedError

    def horizon(self, params: PyTree) -> int:
        """Largest number of steps an episode can have under ``params`` (host integer)."""
        raise NotImplementedError

    def reset(self, key: Array, params: PyTree) -> PyTree:
        """State at the start of the level that ``key`` determines."""
        raise NotImplementedError

    def step(self, state: PyTree, action: Array, params: PyTree) -> tuple[PyTree, TimeStep]:
        """One transition. Never resets."""
        raise NotImplementedError

    def outcomes(self, state: PyTree, action: Array, params: PyTree) -> tuple[Array, PyTree, TimeStep]:
        """Everything ``step`` may do: ``(chance f32[K], states [K, ...], time steps [K])``, chances adding up to 1.

        Deterministic tasks have ``K = 1``, the result of ``step``. Tasks with random steps derive from
        :class:`RandomEnv`.
        """
        return jnp.ones(1), *jax.tree.map(lambda x: x[None], self.step(state, action, params))

    def observe(self, state: PyTree, params: PyTree) -> PyTree:
        """What the agent sees: a dict of fixed-shape arrays."""
        raise NotImplementedError

    def observation_space(self, params: PyTree) -> Any:
        """Gymnasium space of ``observe``."""
        raise NotImplementedError

    def features(self, state: PyTree, params: PyTree) -> dict[str, Array]:
        """Named arrays offered to rewards, not to agents: of this state and of the step that led to it."""
        raise NotImplementedError

    def action_mask(self, state: PyTree, params: PyTree) -> Array:
        """bool[A]: admissible actions; at least one is."""
        return jnp.ones((self.num_actions,), bool)

    def rekey(self, state: PyTree, key: Array) -> PyTree:
        """Same state, independent future. A no-op for deterministic environments."""
        return state

    def at_time(self, state: PyTree, t: Array) -> PyTree:
        """Same state with its clock, the field ``t``, at ``t`` steps since reset: the time limit comes earlier."""
        replace = state._replace if hasattr(state, "_replace") else state.replace
        return replace(t=jnp.asarray(t, state.t.dtype))

    def text(self, state: PyTree, params: PyTree) -> str:
        """The observation as plain English (host)."""
        raise NotImplementedError


def step_key(state: PyTree) -> Array:
    """Key of what happens by chance in the next step of a state with ``dynamics`` u32[2] and ``t``: the same whenever
    that state is restored."""
    return jax.random.fold_in(jax.random.wrap_key_data(state.dynamics, impl=THREEFRY), state.t)


class RandomEnv(Env):
    """A task whose steps are random: numbered outcomes, of which ``step`` draws one and ``outcomes`` lists all.

    The state has the fields ``t`` i32[] and ``dynamics`` u32[2]; step ``t`` draws with ``fold_in(dynamics, t)``, so
    that a restored state replays bit for bit. Subclasses write :meth:`chances` and :meth:`outcome`.
    """

    def chances(self, state: PyTree, action: Array, params: PyTree) -> Array:
        """f32[K]: probabilities of the outcomes of an action, adding up to 1; zero for those that cannot occur."""
        raise NotImplementedError

    def outcome(self, state: PyTree, action: Array, index: Array, params: PyTree) -> tuple[PyTree, TimeStep]:
        """Outcome number ``index`` of an action."""
        raise NotImplementedError

    def outcomes(self, state: PyTree, action: Array, params: PyTree) -> tuple[Array, PyTree, TimeStep]:
        chance = self.chances(state, action, params)
        results = jax.vmap(self.outcome, (None, None, 0, None))(state, action, jnp.arange(len(chance)), params)
        return chance, *results

    def step(self, state: PyTree, action: Array, params: PyTree) -> tuple[PyTree, TimeStep]:
        upto = jnp.cumsum(self.chances(state, action, params))
        index = (jax.random.uniform(step_key(state)) * upto[-1] >= upto).sum()
        return self.outcome(state, action, index, params)

    def rekey(self, state: PyTree, key: Array) -> PyTree:
        return state.replace(dynamics=jax.random.bits(key, (2,), jnp.uint32))
