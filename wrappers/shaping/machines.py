"""Reward machines: rewards that depend on what has happened before, written as a small automaton over events."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, static

Edge = tuple[int, int, str, float]  # machine state, next machine state, formula, reward
Formula = Callable[[Mapping[str, bool]], bool]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*)|([!&|()]))")
_LARGEST = 12


def parse(formula: str) -> tuple[Formula, tuple[str, ...]]:
    """Truth function and proposition names of a propositional formula. Nothing is evaluated as code.

    ``!`` binds tighter than ``&``, ``&`` tighter than ``|``; parentheses, ``True`` and ``False`` are allowed.

    Raises:
        UserError: for anything else.

    >>> holds, names = parse("!a & (b | c)")
    >>> names, holds({"a": False, "b": False, "c": True})
    (('a', 'b', 'c'), True)
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
            return lambda truth: not inner(truth)
        if token == "(":
            inner = some("|")
            if take() != ")":
                raise UserError(f"formula {formula!r}: a parenthesis is not closed.")
            return inner
        if token in ("True", "False"):
            return lambda truth: token == "True"
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
        join = any if operator == "|" else all
        return lambda truth: join(part(truth) for part in parts)

    holds = some("|")
    if ahead:
        raise UserError(f"formula {formula!r}: {ahead!r} is not expected there.")
    return holds, tuple(dict.fromkeys(names))


class Machine(NamedTuple):
    """A machine as arrays. Rows are its states, the last row the terminal one; columns are truth assignments."""

    names: tuple[int, ...]  # the number of each row; -1 for the terminal one
    propositions: tuple[str, ...]  # column = Σ_i 2^i·[proposition i holds]
    target: np.ndarray  # i32[U + 1, C] row of the next state
    reward: np.ndarray  # f64[U + 1, C]


@functools.lru_cache(maxsize=64)
def compiled(
    transitions: tuple[Edge, ...], terminal: tuple[int, ...], initial: int, unmatched: str = "error"
) -> Machine:
    """The machine of a list of transitions; the first listed one whose formula holds fires.

    Raises:
        UserError: for machines that are not total (unless ``unmatched`` says what to do), for formulas that cannot be
            read and for states without a way out.

    >>> compiled(((0, 0, "!a", 0.0), (0, 1, "a", 1.0)), terminal=(1,), initial=0).target.tolist()
    [[0, 1], [1, 1]]
    """
    names = tuple(u for u in dict.fromkeys(u for edge in transitions for u in edge[:2]) if u not in terminal)
    if initial not in names:
        raise UserError(f"reward machine: the initial state {initial} has no transition; there are {list(names)}.")
    read = [(u, after, *parse(formula), reward) for u, after, formula, reward in transitions]
    propositions = tuple(sorted({name for edge in read for name in edge[3]}))
    if len(propositions) > _LARGEST:
        raise UserError(f"reward machine: {len(propositions)} propositions; at most {_LARGEST} can be tabulated.")
    rows = {u: i for i, u in enumerate(names)}
    end = len(names)
    target = np.full((end + 1, 2 ** len(propositions)), end, np.int32)
    reward = np.zeros(target.shape)
    for column, values in enumerate(itertools.product((False, True), repeat=len(propositions))):
        truth = dict(zip(propositions, reversed(values), strict=True))
        for u, row in rows.items():
            fires = next((e for e in read if e[0] == u and e[2](truth)), None)
            if fires is not None:
                target[row, column], reward[row, column] = rows.get(fires[1], end), fires[4]
            elif unmatched == "error":
                held = " and ".join(name if value else f"not {name}" for name, value in truth.items())
                raise UserError(
                    f"reward machine: state {u} has no transition for {held or 'True'}; add one (a self-loop?) or "
                    "choose unmatched='stay' or 'terminal'."
                )
            elif unmatched == "stay":
                target[row, column] = row
    return Machine((*names, -1), propositions, target, reward)


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
    edges: dict[int, list[Edge]] = {}
    for edge in transitions:
        if edge[0] not in terminal:
            edges.setdefault(edge[0], []).append(edge)
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
        propositions: proposition i is bit i of the feature; an environment's ``event_names`` fits as it is.
        terminal: machine states that end the machine's task.
        initial: machine state at the start of an episode.
        gamma: the learner's discount in (0, 1].
        rs_gamma: discount of the machine's value iteration, in [0, 1].
        sign: +1 pays for getting closer; -1 is what the released code does (standing still pays (1 - γ)·V, a
            finished stage nothing, the goal 1 + V; neutral as well); 0 no shaping.
        unmatched: inputs that no transition takes: ``"error"`` refuses the machine, ``"stay"`` keeps the state,
            ``"terminal"`` ends with reward 0 (released).
        truncation: ``"bootstrap"`` or ``"absorb"``, as in :class:`Potential`.
        feature: bool[N, E] of o_{t+1}.

    Components: ``component``, ``<component>_shaping``.
    Metrics: ``<component>/state``, the number of the machine state after the step.
    Remembers: the machine state until the episode ends.

    Raises:
        UserError: for machines that are not total, formulas that cannot be read and propositions without a bit.

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
        _ = self.values

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        edges = ((0, 0, "!a", -0.1), (0, 1, "a", 0.0), (1, 1, "!b|a", 0.0), (1, 2, "b", 1.0))
        return (cls(edges, ("a", "b"), terminal=(2,)),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    @property
    def machine(self) -> Machine:
        """The transitions as tables."""
        return compiled(self.transitions, self.terminal, self.initial, self.unmatched)

    @property
    def values(self) -> dict[int, float]:
        """V(u) of every machine state; -1 is the terminal one."""
        return machine_values(self.transitions, self.terminal, self.rs_gamma)

    def init(self, key: Array, example: Transition) -> State:
        start = self.machine.names.index(self.initial)
        return State(episode=jnp.full(example.reward.shape, start, jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        machine, dtype = self.machine, transition.reward.dtype
        bits = transition.next_features[self.feature]
        places = [self.propositions.index(name) for name in machine.propositions]
        if max(places, default=-1) >= bits.shape[-1]:
            raise UserError(
                f"RewardMachine: proposition {self.propositions[max(places)]!r} is bit {max(places)}, but feature "
                f"{self.feature!r} has {bits.shape[-1]}."
            )
        column = sum(
            (bits[:, place].astype(jnp.int32) << i for i, place in enumerate(places)), jnp.zeros((), jnp.int32)
        )
        before = state.episode
        after = jnp.asarray(machine.target)[before, column]
        earned = jnp.asarray(machine.reward, dtype)[before, column]
        values = self.values
        potential = self.sign * jnp.asarray([values.get(u, 0.0) for u in machine.names], dtype)
        ends = transition.terminated if self.truncation == "bootstrap" else transition.done
        shaping = self.gamma * jnp.where(ends, 0, potential[after]) - potential[before]
        rewards = rewards.add(self.component, earned).add(f"{self.component}_shaping", shaping)
        rewards = rewards.log(f"{self.component}/state", jnp.asarray(machine.names, dtype)[after])
        return rewards, State(episode=after)
