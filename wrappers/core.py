"""What every reward is made of (Transition, Rewards, State, transforms, chains), and the functions that run it.

Everything is batch-native: arrays carry an environment axis ``N`` (a single environment is ``N = 1``) and a
recorded rollout carries ``[T, N]``. The code is pure JAX, so the same transform runs in a Gymnasium wrapper, around
a vector of environments and inside a compiled training run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError, UserTypeError
from rewardax.base.renamed import FIELDS, with_earlier_fields
from rewardax.base.tree import Node
from rewardax.wrappers.ledger import Found, PyTree, Rewards, Transition, enter, static


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
    """Transforms applied in reading order; itself a transform, so chains nest. Build it with :func:`chain`.

    What stands behind a part in hindsight (``causal`` false) waits until that part has learned, and then runs over
    the finished rollout; what it posts is 0 until then. So a chain of two is always the second applied to what the
    first gives in the end. Each ``learn`` finds components and metrics as they were at its place in the chain.
    """

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

    @property
    def passes(self) -> tuple[dict[str, RewardTransform], dict[str, RewardTransform]]:
        """The parts that run at every step, up to the first in hindsight, and those that wait for it."""
        ready = next((k + 1 for k, part in enumerate(self.parts) if not part.causal), len(self.parts))
        named = list(zip(self.names, self.parts, strict=True))
        return dict(named[:ready]), dict(named[ready:])

    def init(self, key: Array, example: Transition) -> State:
        keys = jax.random.split(key, max(len(self.parts), 1))
        states = [part.init(k, example) for part, k in zip(self.parts, keys, strict=False)]
        named = dict(zip(self.names, states, strict=True))
        waiting = self.passes[1]
        return self._join(named | _suspend({n: named[n] for n in waiting}, {n: named[n].episode for n in waiting}))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        states, (ready, waiting) = self._split(state), self.passes
        rewards, moved = _forward(ready, rewards, states, transition)
        if waiting:  # their components exist from the first step on
            resumed = _resume({name: states[name] for name in waiting})[0]
            later = jax.eval_shape(lambda *row: _forward(waiting, *row)[0], rewards, resumed, transition).components
            zeros = {name: jnp.zeros(x.shape, x.dtype) for name, x in later.items()}
            rewards = rewards.replace(components=zeros | rewards.components)
        return rewards, self._join(states | moved)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> tuple[Rewards, State]:
        states, (ready, waiting) = self._split(state), self.passes
        rewards, learned = _backward(ready, rewards, states, rollout, feedback)
        states |= learned
        while waiting:
            rest = Chain(tuple(waiting), tuple(waiting.values()))
            ready, waiting = rest.passes
            resumed, fresh = _resume({name: states[name] for name in ready})
            rewards, resumed = _rerun(ready, rewards, resumed, fresh, rollout)
            rewards, learned = _backward(ready, rewards, resumed, rollout, feedback)
            states |= _suspend(resumed | learned, fresh)
        return rewards, self._join(states)

    def _join(self, states: Mapping[str, State]) -> State:
        return State(*({name: states[name][kind] for name in self.names} for kind in range(3)))

    def _split(self, state: State) -> dict[str, State]:
        return {name: State(*(column[name] for column in state)) for name in self.names}


States = dict[str, State]  # by part of a chain


def _suspend(states: States, fresh: Mapping[str, PyTree]) -> States:
    """The memory of parts that wait: nobody but the chain may forget what it holds of an episode."""
    env = {name: {"episode": state.episode, "fresh": fresh[name], "env": state.env} for name, state in states.items()}
    return {name: State(env=env[name], shared=state.shared) for name, state in states.items()}


def _resume(states: States) -> tuple[States, dict[str, PyTree]]:
    """The memory of parts that waited, and their fresh episode memory."""
    resumed = {name: State(s.env["episode"], s.env["env"], s.shared) for name, s in states.items()}
    return resumed, {name: state.env["fresh"] for name, state in states.items()}


def _forward(
    parts: Mapping[str, RewardTransform], rewards: Rewards, states: States, transition: Transition
) -> tuple[Rewards, States]:
    """``update`` of some parts, one after the other."""
    new: States = {}
    left: dict[str, tuple[Rewards, dict[str, str]]] = {}
    for name, part in parts.items():
        after, new[name] = part.update(rewards.replace(kept=(), logged=()), states[name], transition)
        metrics, places = enter(rewards.metrics, rewards.metrics, after.metrics, name)
        if part.learns or not part.causal:
            left[name] = (after, places)
        rewards = Rewards(after.components, metrics, logged=(*(rewards.logged or ()), *places.values()))
    found = {name: Found.note(after, places, rewards) for name, (after, places) in left.items()}
    return rewards.replace(kept=found), new


def _backward(
    parts: Mapping[str, RewardTransform],
    rewards: Rewards,
    states: States,
    rollout: Transition,
    feedback: Mapping[str, Any] | None,
) -> tuple[Rewards, States]:
    """``learn`` of some parts, one after the other; none but the last is in hindsight."""
    new: States = {}
    kept = dict(rewards.kept or {})
    for name, part in parts.items():
        if part.learns or not part.causal:
            found = kept[name] if name in kept else Found.note(rewards, {n: n for n in rewards.metrics}, rewards)
            given = found.again(rewards)
            learned, new[name] = part.learn(given, states[name], rollout, feedback)
            changed = [c for c, x in learned.components.items() if given.components.get(c) is not x]
            if part.causal and changed:
                raise UserError(
                    f"{type(part).__name__} calls itself causal, but its learn rewrites component {changed[0]!r}. Set "
                    "`causal = False` on the class, so that what stands behind it in a chain waits for it."
                )
            components = rewards.components if part.causal else learned.components
            metrics, kept[name] = found.take(rewards.metrics, given.metrics, learned.metrics, name)
            rewards = Rewards(components, metrics)
    return rewards.replace(kept=kept), new


def _rerun(
    parts: Mapping[str, RewardTransform],
    rewards: Rewards,
    states: States,
    fresh: Mapping[str, PyTree],
    rollout: Transition,
) -> tuple[Rewards, States]:
    """``update`` of some parts over the finished rollout ``[T, N]``, on the rewards found there."""

    def body(states: States, row: tuple[Transition, Rewards]) -> tuple[States, Rewards]:
        paid, new = _forward(parts, row[1], states, row[0])
        settled = {name: _forget(new[name], states[name], fresh[name], row[0]) for name in parts}
        return settled, _settle(paid, row[0])

    states, paid = jax.lax.scan(body, states, (rollout, Rewards(rewards.components, rewards.metrics)))
    return paid.replace(metrics=paid.metrics | rewards.metrics, kept={**rewards.kept, **paid.kept}), states


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


def in_hindsight(reward: RewardTransform) -> str:
    """Type of the first transform in a reward that needs hindsight.

    >>> from rewardax.wrappers import Clip, UniformRedistribution
    >>> in_hindsight(chain(clip=Clip(), spread=UniformRedistribution()))
    'UniformRedistribution'
    """
    inside = reward.parts if isinstance(reward, Chain) else (getattr(reward, "inner", None),)
    late = (part for part in inside if isinstance(part, RewardTransform) and not part.causal)
    return next((in_hindsight(part) for part in late), type(reward).__name__)


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
    opened = Rewards.open(transition, components).replace(logged=())
    rewards, new = reward.update(opened, state, transition)
    return _settle(rewards, transition), _forget(new, state, fresh, transition)


def _settle(rewards: Rewards, transition: Transition) -> Rewards:
    """Nothing on padding steps."""
    rewards = rewards.replace(logged=None)
    return jax.tree.map(lambda x: jnp.where(transition.valid, x, jnp.zeros_like(x)), rewards)


def _forget(new: State, old: State, fresh: PyTree, transition: Transition) -> State:
    """The memory after a step: of the next episode where this one ends, the old one on padding steps."""
    episode = env_where(transition.done, fresh, new.episode)
    return State(
        env_where(transition.valid, episode, old.episode),
        env_where(transition.valid, new.env, old.env),
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
