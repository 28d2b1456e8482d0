"""The types every reward is made of (Transition, Rewards, State, transforms, chains), and the functions that run them.

Everything is batch-native: arrays carry an environment axis ``N`` (a single environment is ``N = 1``) and a
recorded rollout carries ``[T, N]``. The code is pure JAX, so the same transform runs in a Gymnasium wrapper, around
a vector of environments and inside a compiled training run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float

from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError, UserTypeError
from rewardax.base.renamed import FIELDS, with_earlier_fields
from rewardax.base.tree import Node

PyTree = Any


def static(default: Any = ..., *, kw_only: bool = False) -> Any:
    """Dataclass field that is structure (compiled in, compared by equality), not a number that can be swept."""
    if default is ...:
        return struct.field(pytree_node=False, kw_only=kw_only)
    return struct.field(pytree_node=False, default=default, kw_only=kw_only)


class Transition(struct.PyTreeNode, kw_only=True):
    """One step of ``N`` parallel environments; stacked to ``[T, N]`` for a rollout. Built by name only."""

    observation: PyTree  #: [N, ...] o_t
    action: PyTree  #: [N, ...] a_t
    next_observation: PyTree  #: [N, ...] o_{t+1}: the true successor, never an autoreset observation
    reward: Float[Array, "*T N"]  #: as the environment gave it
    terminated: Bool[Array, "*T N"]  #: absorbing end: the value beyond is zero
    truncated: Bool[Array, "*T N"]  #: cut off: the value beyond is not zero
    first: Bool[Array, "*T N"]  #: o_t opens an episode
    valid: Bool[Array, "*T N"]  #: False on padding steps (Gymnasium NEXT_STEP autoreset)
    features: Mapping[str, Array]  #: of o_t: named arrays offered to rewards, not to agents
    next_features: Mapping[str, Array]  #: of o_{t+1}, including the events on the way there

    @property
    def done(self) -> Bool[Array, "*T N"]:
        """The episode ends with this step, for either reason."""
        return self.terminated | self.truncated


class Rewards(struct.PyTreeNode):
    """Named parts of the reward. The total is always their sum; the environment's own part is ``task``."""

    components: dict[str, Float[Array, "*T N"]]  #: by name
    metrics: dict[str, Float[Array, "*T N"]]  #: by name; logged, never summed

    @classmethod
    def open(cls, transition: Transition, components: Mapping[str, Float[Array, "*T N"]] | None = None) -> Rewards:
        """Start from the environment's reward, or from the components an inner wrapper already posted."""
        return cls(dict(components) if components else {"task": transition.reward}, {})

    @property
    def total(self) -> Float[Array, "*T N"]:
        """The reward the agent is trained on."""
        return sum(self.components.values(), start=jnp.zeros((), jnp.float32))

    def add(self, name: str, value: Float[Array, "*T N"]) -> Rewards:
        """Post a new component. A name that is taken is an error."""
        if name in self.components:
            raise UserError(
                f"component {name!r} is already posted; so far there are {sorted(self.components)}. "
                "Give this transform another `component` name."
            )
        return self.replace(components={**self.components, name: value})

    def put(self, name: str, value: Float[Array, "*T N"]) -> Rewards:
        """Overwrite a component that exists."""
        self.require(name)
        return self.replace(components={**self.components, name: value})

    def log(self, name: str, value: Float[Array, "*T N"]) -> Rewards:
        """Record a number that is worth seeing but is not reward."""
        return self.replace(metrics={**self.metrics, name: value})

    def require(self, *names: str) -> None:
        """Raise ``UserError`` unless every named component is posted."""
        missing = [name for name in names if name not in self.components]
        if missing:
            raise UserError(
                f"no component {missing[0]!r} to act on; posted so far: {sorted(self.components)}. "
                "Put the transform that posts it earlier in the chain."
            )


class State(NamedTuple):
    """What a transform remembers, by when it is forgotten."""

    episode: PyTree = ()  #: [N, ...] forgotten in an environment when its episode ends
    env: PyTree = ()  #: [N, ...] kept per environment across episodes
    shared: PyTree = ()  #: no environment axis: kept for the whole run


Result = tuple[Rewards, State]  # what every step of a transform returns


class RewardTransform(Node):
    """Base class: a frozen dataclass whose numeric fields are pytree leaves and whose structure is static.

    Subclasses implement ``update``; ``init`` only if they remember something, ``learn`` only if they train, relabel
    or take late labels. Shared memory must weight what it takes in by ``transition.valid``.
    """

    registry: ClassVar[dict[str, type[RewardTransform]]] = {}
    causal: ClassVar[Any] = True  #: False: rewards are right only after learn() (hindsight)
    whole_episodes: ClassVar[Any] = False  #: True: learn works on episodes that begin and end inside its rollout
    potential_based: ClassVar[Any] = False  #: True: ``gamma``, and ``truncation`` if it has one, must be the learner's

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        RewardTransform.registry.setdefault(cls.__name__, cls)
        if cls.__module__.startswith("rewardax.wrappers.") and cls.__name__ in FIELDS:
            cls.__init__ = with_earlier_fields(cls.__name__, cls.__init__)  # type: ignore[method-assign]

    @property
    def requires(self) -> tuple[str, ...]:
        """Names of the features this transform reads; checked when it is attached to an environment."""
        return ()

    @property
    def learns(self) -> bool:
        """Whether ``learn`` does anything, hence whether a rollout must be kept for it."""
        return type(self).learn is not RewardTransform.learn

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        """Small instances the contract tests run on."""
        return (cls(),)

    def bind(self, names: Mapping[str, tuple[str, ...]]) -> Self:
        """This reward with the events and subgoals that it names replaced by their positions.

        Done where a reward is attached to a task, whose ``event_names`` and ``subgoal_names`` say what the bits of its
        features are called (``names``: feature -> names). Transforms that take such names extend it.

        Raises:
            UserError: for a name that the task does not have.
        """

        def inner(part: Any) -> bool:
            return isinstance(part, RewardTransform) and part is not self

        return jax.tree.map(lambda part: part.bind(names) if inner(part) else part, self, is_leaf=inner)

    def init(self, key: Array, example: Transition) -> State:
        """Fresh memory for the ``N`` environments of ``example`` (only shapes and dtypes are read)."""
        return State()

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        """Every step: post, rewrite or log rewards. Pure."""
        raise NotImplementedError

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> tuple[Rewards, State]:
        """Once per finished rollout ``[T, N]``: train, relabel, take late labels."""
        return rewards, state


class Chain(RewardTransform):
    """Transforms applied in reading order; itself a transform, so chains nest. Build it with :func:`chain`."""

    names: tuple[str, ...] = static(())
    parts: tuple[RewardTransform, ...] = ()

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return all(part.causal for part in self.parts)

    @property
    def requires(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.requires))

    @property
    def learns(self) -> bool:
        return any(part.learns for part in self.parts)

    def init(self, key: Array, example: Transition) -> State:
        keys = jax.random.split(key, max(len(self.parts), 1))
        return self._join([part.init(k, example) for part, k in zip(self.parts, keys, strict=False)])

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        states = []
        for part, inner in zip(self.parts, self._split(state), strict=True):
            rewards, inner = part.update(rewards, inner, transition)
            states.append(inner)
        return rewards, self._join(states)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> tuple[Rewards, State]:
        states = []
        for part, inner in zip(self.parts, self._split(state), strict=True):
            rewards, inner = part.learn(rewards, inner, rollout, feedback)
            states.append(inner)
        return rewards, self._join(states)

    def _join(self, states: list[State]) -> State:
        return State(*(dict(zip(self.names, column, strict=True)) for column in zip(*states, strict=True)))

    def _split(self, state: State) -> list[State]:
        return [State(*(column[name] for column in state)) for name in self.names]


def chain(**parts: RewardTransform) -> Chain:
    """Chain named transforms; the order of the arguments is the order of application.

    >>> from rewardax.wrappers import Clip, chain
    >>> chain(clip=Clip(low=-1.0, high=1.0)).names
    ('clip',)
    """
    for name, part in parts.items():
        if not isinstance(part, RewardTransform):
            raise UserTypeError(f"chain({name}=...) takes reward transforms, got {type(part).__name__}")
    return Chain(names=tuple(parts), parts=tuple(parts.values()))


def advance(
    reward: RewardTransform,
    state: State,
    fresh: PyTree,
    transition: Transition,
    components: Mapping[str, Float[Array, "*T N"]] | None = None,
) -> tuple[Rewards, State]:
    """Run one step of a reward and do all the forgetting, so that no transform contains reset code.

    ``fresh`` is ``reward.init(...).episode``. Padding steps (``valid`` false) pay nothing and leave ``episode`` and
    ``env`` memory alone; environments whose episode ends get ``fresh`` episode memory back.
    """
    rewards, new = reward.update(Rewards.open(transition, components), state, transition)
    rewards = jax.tree.map(lambda x: jnp.where(transition.valid, x, jnp.zeros_like(x)), rewards)
    episode = env_where(transition.done, fresh, new.episode)
    return rewards, State(
        env_where(transition.valid, episode, state.episode),
        env_where(transition.valid, new.env, state.env),
        new.shared,
    )


def replay(
    reward: RewardTransform,
    rollout: Transition,
    key: Array | None = None,
    feedback: Mapping[str, Any] | None = None,
) -> tuple[Rewards, State]:
    """Rewards of a recorded rollout ``[T, N]`` from fresh memory: ``advance`` over time, then ``learn`` once."""
    example = jax.tree.map(lambda x: x[0], rollout)
    state = reward.init(jax.random.key(0) if key is None else key, example)
    fresh = state.episode

    def body(state: State, transition: Transition) -> tuple[State, Rewards]:
        rewards, state = advance(reward, state, fresh, transition)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, rollout)
    return reward.learn(rewards, state, rollout, feedback)
