"""Reward machines: rewards that depend on what has happened before, written as a small automaton over events."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.base.names import Names, bits_of, positions
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, static

Edge = tuple[int, int, str, float]  # machine state, next machine state, formula, reward
Formula = Callable[[Mapping[str, Any]], Any]  # truth of names -> truth, both from 0 (false) to 1 (true)

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*)|([!&|()]))")


def parse(formula: str) -> tuple[Formula, tuple[str, ...]]:
    """Truth function and proposition names of a propositional formula. Nothing is evaluated as code.

    Truth is a number: 1 for true, 0 for false, and anything between for a truth that depends on what is not known yet.
    So one function serves single truth values, integer arrays of them, and formulas of which only some names are known.

    ``!`` binds tighter than ``&``, ``&`` tighter than ``|``; parentheses, ``True`` and ``False`` are allowed.

    Raises:
        UserError: for anything else.

    >>> holds, names = parse("!a & (b | c)")
    >>> names, holds({"a": 0, "b": 0, "c": 1}), holds({"a": 1, "b": 0.5, "c": 0.5}), holds({"a": 0, "b": 0, "c": 0.5})
    (('a', 'b', 'c'), 1, 0.0, 0.5)
    """
    tokens: list[str] = []
    names: list[str] = []
    at = 0
    while formula[at:].strip():
        found = _TOKEN.match(formula, at)
        if not found:
            raise UserError(f"formula {formula!r}: cannot read {formula[at:].strip()!r}; use names, !, &, |, (, ).")
        tokens.append(found[1] or found[2])
        at = found.end()
    rest = iter([*tokens, ""])
    ahead = next(rest)

    def take() -> str:
        nonlocal ahead
        token, ahead = ahead, next(rest, "")
        return token

    def literal() -> Formula:
        token = take()
        if token == "!":
            inner = literal()
            return lambda truth: 1 - inner(truth)
        if token == "(":
            inner = some("|")
            if take() != ")":
                raise UserError(f"formula {formula!r}: a parenthesis is not closed.")
            return inner
        if token in ("True", "False"):
            return lambda truth: int(token == "True")
        if not token or token in "&|)":
            raise UserError(f"formula {formula!r}: a proposition is missing{f' before {token!r}' if token else ''}.")
        names.append(token)
        return lambda truth: truth[token]

    def some(operator: str) -> Formula:
        inner = (lambda: some("&")) if operator == "|" else literal
        parts = [inner()]
        while ahead == operator:
            take()
            parts.append(inner())
        if operator == "&":
            return lambda truth: math.prod(part(truth) for part in parts)
        return lambda truth: 1 - math.prod(1 - part(truth) for part in parts)

    holds = some("|")
    if ahead:
        raise UserError(f"formula {formula!r}: {ahead!r} is not expected there.")
    return holds, tuple(dict.fromkeys(names))


class Machine(NamedTuple):
    """A machine as a list of edges, in the order in which they were written."""

    names: tuple[int, ...]  # the number of each state, in order of rows; -1 for the terminal one, which is the last row
    propositions: tuple[str, ...]  # those that the formulas read
    source: np.ndarray  # i32[E] row of the state that an edge leaves
    target: np.ndarray  # i32[E] row of the state that it enters
    reward: np.ndarray  # f64[E]
    guards: tuple[Formula, ...]  # [E]


@functools.lru_cache(maxsize=64)
def compiled(
    transitions: tuple[Edge, ...], terminal: tuple[int, ...], initial: int, unmatched: str = "error"
) -> Machine:
    """The machine of a list of transitions; of a state's edges the first listed one whose formula holds fires.

    Raises:
        UserError: for machines that are not total (unless ``unmatched`` says what to do), for formulas that cannot be
            read, for states without a way out and for a state called -1, the number that shows the end.

    >>> machine = compiled(((0, 0, "!a", 0.0), (0, 1, "a", 1.0)), terminal=(1,), initial=0)
    >>> machine.names, machine.source.tolist(), machine.target.tolist()
    ((0, -1), [0, 0], [0, 1])
    """
    names = _states(transitions, terminal)
    if initial not in names:
        raise UserError(f"reward machine: the initial state {initial} has no transition; there are {list(names)}.")
    rows = {u: i for i, u in enumerate(names)}
    edges = [(u, after, *parse(formula), reward) for u, after, formula, reward in transitions if u in rows]
    for u in names:
        free = _free([(guard, read) for source, _, guard, read, _ in edges if source == u])
        if unmatched == "error" and free is not None:
            held = " and ".join(name if value else f"not {name}" for name, value in free.items())
            raise UserError(
                f"reward machine: state {u} has no transition for {held or 'True'}; add one (a self-loop?) or "
                "choose unmatched='stay' or 'terminal'."
            )
    return Machine(
        names=(*names, -1),
        propositions=tuple(sorted({name for edge in edges for name in edge[3]})),
        source=np.array([rows[edge[0]] for edge in edges], np.int32),
        target=np.array([rows.get(edge[1], len(names)) for edge in edges], np.int32),
        reward=np.array([edge[4] for edge in edges], float),
        guards=tuple(edge[2] for edge in edges),
    )


def _states(transitions: tuple[Edge, ...], terminal: tuple[int, ...]) -> tuple[int, ...]:
    """The states that are not terminal, in order of appearance."""
    names = tuple(u for u in dict.fromkeys(u for edge in transitions for u in edge[:2]) if u not in terminal)
    if -1 in names:
        raise UserError("reward machine: -1 shows that the machine has ended; give that state another number.")
    return names


def _free(edges: Sequence[tuple[Formula, tuple[str, ...]]]) -> dict[str, bool] | None:
    """Truth values under which no formula holds, or ``None`` if one always does.

    Names are decided one by one, and none that makes no difference, so that many propositions are no obstacle.

    >>> _free([parse("a & b"), parse("!a")])
    {'a': True, 'b': False}
    """
    names = dict.fromkeys(name for _, read in edges for name in read)

    def search(known: dict[str, bool]) -> dict[str, bool] | None:
        truth = {name: known.get(name, 0.5) for name in names}
        for holds, read in edges:
            value = holds(truth)
            if value == 1:
                return None
            if value != 0:
                name = next(name for name in read if name not in known)
                found = search({**known, name: False})
                return search({**known, name: True}) if found is None else found
        return known

    return search({})


@functools.lru_cache(maxsize=64)
def machine_values(
    transitions: tuple[Edge, ...], terminal: tuple[int, ...], rs_gamma: float, tolerance: float = 1e-7
) -> dict[int, float]:
    """Value iteration on the machine itself: V(u) = max over its transitions of (r + rs_gamma·V(u')), V = 0 at the end.

    Raises:
        UserError: if the values do not settle (``rs_gamma`` = 1 and a loop that pays).

    >>> machine_values(((0, 0, "!a", 0.0), (0, 1, "a", 0.0), (1, 2, "True", 1.0)), (2,), rs_gamma=0.5)
    {0: 0.5, 1: 1.0, -1: 0.0}
    """
    edges = {u: [edge for edge in transitions if edge[0] == u] for u in _states(transitions, terminal)}
    edges = {u: leaving for u, leaving in edges.items() if leaving}
    values = dict.fromkeys(edges, 0.0)
    for _ in range(100_000):
        change = 0.0
        for u, leaving in edges.items():
            new = max(reward + rs_gamma * values.get(after, 0.0) for _, after, _, reward in leaving)
            change, values[u] = max(change, abs(new - values[u])), new
        if change < tolerance:
            return {**values, -1: 0.0}
    raise UserError(f"reward machine: the values do not settle with rs_gamma={rs_gamma}; choose it below 1.")


class RewardMachine(RewardTransform):
    """Reward machine: an automaton reads the events of each step, its transitions pay, and it shapes itself.

    A transition is ``(u, u', formula, reward)``. At every step the first listed transition of the current machine
    state u whose formula holds fires: its reward is given and u' is the new state. All terminal states are one state,
    shown as -1; there the machine pays nothing any more, though the environment may go on.

    The second component is potential-based shaping with the value of the machine state,

        F_t = γ·P(u_{t+1}) - P(u_t),    P(u) = sign·V(u),

    where V comes from value iteration on the machine with discount ``rs_gamma``, P is 0 in the terminal state and
    when the environment terminates; a truncation keeps P(u_{t+1}) if the learner bootstraps there. Its discounted sum
    over an episode is -P(u_0) after an end and γᵀ·P(u_T) - P(u_0) after a bootstrapped truncation.

    Paper: Toro Icarte, Klassen, Valenzano & McIlraith 2018/2022, "Reward Machines".

    Invariant: yes for the shaping, given the machine state as part of the observation; the machine's rewards are a
    task of their own.

    Golden: reward_machine_shaping

    Args:
        transitions: tuples (machine state, next machine state, formula, reward). Formulas: names, ``!``, ``&``, ``|``,
            parentheses, ``True``, ``False``.
        propositions: names of bits of the feature. Attached to a task that names its events (``event_names``), they
            are found by these names, in any order, and need not be all. Where bits have no names, proposition i is
            bit i, and there must be one for every bit.
        terminal: machine states that end the machine's task.
        initial: machine state at the start of an episode.
        gamma: the learner's discount in (0, 1].
        rs_gamma: discount of the machine's value iteration, in [0, 1].
        sign: +1 pays for getting closer; -1 is what the released code does (standing still pays (1 - γ)·V, a
            finished stage nothing, the goal 1 + V; neutral as well); 0 no shaping, as a machine must have in which
            every state is worth 0.
        unmatched: inputs that no transition takes: ``"error"`` refuses the machine, ``"stay"`` keeps the state,
            ``"terminal"`` ends with reward 0 (released).
        truncation: ``"bootstrap"`` or ``"absorb"``, as in :class:`Potential`.
        feature: bool[N, E] of o_{t+1}.

    Components: ``component``, ``<component>_shaping``.
    Metrics: ``<component>/state``, the number of the machine state after the step.
    Remembers: the machine state until the episode ends.

    Raises:
        UserError: for machines that are not total, formulas that cannot be read, machines that cannot shape (every
            state is worth 0) though ``sign`` is not 0, and when attached, for propositions that no bit is called.

    Differs from the paper: rewards are numbers, not functions. The released code evaluates machine files as Python,
    pays the reward of a regular transition into the terminal state on unmatched inputs, and lets a later transition
    between the same two states overwrite an earlier one; here none of this happens.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> machine = RewardMachine(
    ...     transitions=((0, 0, "!key", 0.0), (0, 1, "key", 0.0), (1, 1, "!door", 0.0), (1, 2, "door", 1.0)),
    ...     propositions=("key", "door"), terminal=(2,), gamma=1.0)
    >>> out = replay(machine, rollout(events=[[0, 1], [1, 0], [0, 0], [0, 1]]))[0]
    >>> numbers(out.components["machine"]), numbers(out.metrics["machine/state"])
    ([0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, -1.0])
    >>> numbers(out.components["machine_shaping"])
    [0.0, 0.1, 0.0, -1.0]
    """

    transitions: tuple[Edge, ...] = static(((0, 0, "!a", 0.0), (0, 1, "a", 1.0)))
    propositions: tuple[str, ...] = static(("a",))
    terminal: tuple[int, ...] = static((1,))
    initial: int = static(0)
    gamma: float = 0.99
    rs_gamma: float = static(0.9)
    sign: float = 1.0
    unmatched: str = static("error")
    truncation: str = static("bootstrap")
    feature: str = static("events")
    component: str = static("machine", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, unmatched=("error", "stay", "terminal"), truncation=("bootstrap", "absorb"))
        unknown = [name for name in self.machine.propositions if name not in self.propositions]
        if unknown:
            raise UserError(f"RewardMachine: no proposition {unknown[0]!r}; there are {', '.join(self.propositions)}.")
        if not any(self.values.values()) and isinstance(self.sign, int | float) and self.sign != 0:
            raise UserError(
                "RewardMachine: every machine state is worth 0 (the best way through the machine pays nothing), so it "
                "would shape nothing; pay for a transition, or say sign=0.0 for a machine that does not shape."
            )

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        edges = ((0, 0, "!a", -0.1), (0, 1, "a", 0.0), (1, 1, "!b|a", 0.0), (1, 2, "b", 1.0))
        return (cls(edges, ("a", "b", "c"), terminal=(2,)),)

    @property
    def potential_based(self) -> bool:  # type: ignore[override]
        return not isinstance(self.sign, int | float) or self.sign != 0

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    @property
    def machine(self) -> Machine:
        """The transitions as a list of edges."""
        return compiled(self.transitions, self.terminal, self.initial, self.unmatched)

    @property
    def values(self) -> dict[int, float]:
        """V(u) of every machine state; -1 is the terminal one."""
        return machine_values(self.transitions, self.terminal, self.rs_gamma)

    def bind(self, names: Names) -> RewardMachine:
        if self.feature not in names:
            return self
        positions("RewardMachine", self.propositions, self.feature, names)
        return self.replace(propositions=tuple(names[self.feature]))

    def init(self, key: Array, example: Transition) -> State:
        start = self.machine.names.index(self.initial)
        return State(episode=jnp.full(example.reward.shape, start, jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        machine, dtype = self.machine, transition.reward.dtype
        bits = bits_of("RewardMachine", transition.next_features, self.feature)
        many = bits.shape[-1]
        if len(self.propositions) > many:
            raise UserError(
                f"RewardMachine: proposition {self.propositions[many]!r} is bit {many}, but feature {self.feature!r} "
                f"has {many}."
            )
        if len(self.propositions) < many:
            raise UserError(
                f"RewardMachine: the {many} bits of feature {self.feature!r} have no names here, so propositions are "
                f"taken in order, one for each bit; there are {len(self.propositions)}: {', '.join(self.propositions)}."
            )
        truth = dict(zip(self.propositions, bits.T.astype(jnp.int32), strict=True))
        before, end = state.episode, len(machine.names) - 1
        guards = jnp.stack([jnp.broadcast_to(guard(truth), before.shape) for guard in machine.guards])
        fires = (guards == 1) & (before == machine.source[:, None])
        edge, matched = fires.argmax(0), fires.any(0)
        after = jnp.where(matched, jnp.asarray(machine.target)[edge], end if self.unmatched == "terminal" else before)
        earned = jnp.where(matched, jnp.asarray(machine.reward, dtype)[edge], 0)
        values = self.values
        potential = self.sign * jnp.asarray([values.get(u, 0.0) for u in machine.names], dtype)
        ends = transition.terminated if self.truncation == "bootstrap" else transition.done
        shaping = self.gamma * jnp.where(ends, 0, potential[after]) - potential[before]
        rewards = rewards.add(self.component, earned).add(f"{self.component}_shaping", shaping)
        rewards = rewards.log(f"{self.component}/state", jnp.asarray(machine.names, dtype)[after])
        return rewards, State(episode=after)
