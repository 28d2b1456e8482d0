"""Rewards written as arithmetic over primitives: what a language model or an outer search can propose safely."""

from __future__ import annotations

import re
from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.scopes import SCOPES, delivered
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static

Tree = tuple[Any, ...]  # ("number", x), ("primitive", i), ("negate", a) or (operator, a, b)
LONGEST = 500
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|g(?P<primitive>[1-9]\d*)|(?P<sign>[-+*/()]))"
)


def parse(expression: str) -> Tree:
    """Read an expression over ``g1``, ``g2``, ..., numbers, ``+ - * /`` and parentheses; nothing else exists.

    Raises:
        UserError: says where it went wrong.

    >>> parse("-g1 + 2")
    ('+', ('negate', ('primitive', 0)), ('number', 2.0))
    >>> parse("g1**2")
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: expression 'g1**2': '*' at position 3 where a number, g1, g2, ...
    """
    return _Parser(expression).whole()


class _Parser:
    """Recursive descent with the usual precedence; unary minus binds tighter than ``*``."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise UserError(f"the expression has {len(text)} characters; at most {LONGEST} are read.")
        self.text, self.place, self.depth = text, 0, 0
        self.tokens: list[tuple[str, str, int]] = []
        stripped = text.rstrip()
        while self.place < len(stripped):
            match = _TOKEN.match(stripped, self.place)
            if match is None:
                raise UserError(
                    f"expression {text!r}: {stripped[self.place :].lstrip()[:10]!r} is none of numbers, g1, g2, ..., "
                    "+ - * / ( )."
                )
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            self.place = match.end()
        self.tokens.append(("end", "the end", len(stripped)))
        self.at = 0

    def whole(self) -> Tree:
        tree = self.sum()
        if self.tokens[self.at][0] != "end":
            self.fail("an operator or the end")
        return tree

    def sum(self) -> Tree:
        tree = self.term()
        while (sign := self.take("+-")) is not None:
            tree = (sign, tree, self.term())
        return tree

    def term(self) -> Tree:
        tree = self.factor()
        while (sign := self.take("*/")) is not None:
            tree = (sign, tree, self.factor())
        return tree

    def factor(self) -> Tree:
        self.depth += 1
        if self.depth > 50:
            raise UserError(f"expression {self.text!r} is nested more than 50 deep.")
        kind, text, _ = self.tokens[self.at]
        tree: Tree
        if self.take("-") is not None:
            tree = ("negate", self.factor())
        elif self.take("(") is not None:
            tree = self.sum()
            if self.take(")") is None:
                self.fail("')'")
        elif kind in ("number", "primitive"):
            self.at += 1
            tree = ("number", float(text)) if kind == "number" else ("primitive", int(text) - 1)
        else:
            self.fail("a number, g1, g2, ... or '('")
        self.depth -= 1
        return tree

    def take(self, signs: str) -> str | None:
        kind, text, _ = self.tokens[self.at]
        if kind == "sign" and text in signs:
            self.at += 1
            return text
        return None

    def fail(self, expected: str) -> Any:
        _, text, place = self.tokens[self.at]
        raise UserError(f"expression {self.text!r}: {text!r} at position {place} where {expected} is expected.")


def size(tree: Tree) -> int:
    """How many primitives an expression needs: the largest number after a ``g``.

    >>> size(parse("g1*g3"))
    3
    """
    if tree[0] in ("number", "primitive"):
        return tree[1] + 1 if tree[0] == "primitive" else 0
    return max(size(part) for part in tree[1:])


def evaluate(tree: Tree, satisfied: Array) -> Array:
    """Value [...] of an expression; satisfied primitives [..., n] are 1 + 1e-6, others 1e-6.

    0 where something is divided by zero or the value is not finite.

    >>> evaluate(parse("g1/(g2-g2)"), jnp.array([True, False])).tolist()
    0.0
    """
    primitives = jnp.where(satisfied, 1.0 + 1e-6, 1e-6)
    value, sound = _evaluate(tree, primitives)
    value = jnp.broadcast_to(value, satisfied.shape[:-1])
    return jnp.where(sound & jnp.isfinite(value), value, 0)


def _evaluate(tree: Tree, primitives: Array) -> tuple[Any, Any]:
    kind = tree[0]
    if kind == "number":
        return jnp.asarray(tree[1], primitives.dtype), True
    if kind == "primitive":
        return primitives[..., tree[1]], True
    left, sound = _evaluate(tree[1], primitives)
    if kind == "negate":
        return -left, sound
    right, also = _evaluate(tree[2], primitives)
    sound = jnp.logical_and(sound, also)
    if kind == "/":
        return left / jnp.where(right == 0, 1, right), sound & (right != 0)
    return {"+": jnp.add, "-": jnp.subtract, "*": jnp.multiply}[kind](left, right), sound


def expression_value(expression: str, satisfied: Array) -> Array | None:
    """Value of an expression over primitives [..., n], or ``None`` if it is not a valid one.

    What an outer search needs: it scores an invalid proposal itself (the paper: -1).

    >>> satisfied = jnp.array([True, False])
    >>> expression_value("g3", satisfied), expression_value("import os", satisfied)
    (None, None)
    >>> round(float(expression_value("2*g1 - 0.5*g2", satisfied)), 3)
    2.0
    """
    try:
        tree = parse(expression)
    except ValueError:
        return None
    return evaluate(tree, satisfied) if size(tree) <= satisfied.shape[-1] else None


class ExpressionReward(RewardTransform):
    """Pay the value of an arithmetic expression over boolean primitives g1, g2, ...

    A satisfied primitive is 1 + 1e-6, any other 1e-6, so that quotients of primitives exist. ``+ - * /``,
    parentheses, unary minus and decimal numbers are allowed, and nothing else: no names, calls or powers, so
    text from a language model can be used as it comes. Division by zero gives 0.

    Paper: "Differentiable Evolutionary Reinforcement Learning" (DERL), whose outer loop proposes the expressions.
    Invariant: no
    Golden: expression_reward

    Args:
        expression: e.g. ``"0.5*g1 + 0.5*(g2*g3)"``.
        features: boolean features bool[N] or bool[N, K] of o_{t+1}; their columns in order are g1, g2, ...
        scale: factor.
        scope: ``"episode"`` pays on the episode's last step, for what holds then; ``"step"`` on every step.

    Components: ``component``.
    Remembers: nothing.

    Raises:
        UserError: for an invalid expression, and when attached, for a primitive that the features do not have.
            :func:`expression_value` gives ``None`` instead.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(subgoals=[[1, 0], [1, 1]], terminated=[0, 1])
    >>> numbers(replay(ExpressionReward("0.2*g1 + g2"), data)[0].components["expression"])
    [0.0, 1.2]
    """

    expression: str = static("g1")
    features: tuple[str, ...] = static(("subgoals",))
    scale: float = 1.0
    scope: str = static("episode")
    component: str = static("expression", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, scope=SCOPES)
        parse(self.expression)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls("0.5*g1 - g2/(g3 + 0.1)", ("subgoals", "success")), cls("g1*g2", scope="step"))

    @property
    def requires(self) -> tuple[str, ...]:
        return self.features

    def init(self, key: Array, example: Transition) -> State:
        self._tree(self._primitives(example))
        return State()

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        satisfied = self._primitives(transition)
        value = self.scale * evaluate(self._tree(satisfied), satisfied)
        value = delivered(self.scope, transition, value).astype(transition.reward.dtype)
        return rewards.add(self.component, value), state

    def _primitives(self, transition: Transition) -> Array:
        columns = [transition.next_features[name].astype(bool) for name in self.features]
        return jnp.concatenate([x.reshape(x.shape[0], -1) for x in columns], -1)

    def _tree(self, satisfied: Array) -> Tree:
        tree = parse(self.expression)
        if size(tree) > satisfied.shape[-1]:
            raise UserError(
                f"ExpressionReward: {self.expression!r} reads g{size(tree)}, but the features {self.features} have "
                f"{satisfied.shape[-1]} column(s)."
            )
        return tree
