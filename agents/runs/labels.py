"""Labels of a judge during training: captions that were seen go out, labels come back between compiled chunks."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.combine import Product
from rewardax.wrappers.core import Chain, RewardTransform, State
from rewardax.wrappers.credit.plans import JudgedSubgoals
from rewardax.wrappers.judges import Annotator, Query
from rewardax.wrappers.requirements import require_captions


class JudgeDesk:
    """Keeps one label table per judged component of a reward and fills it from a judge.

    A deterministic judge answers at once, so that equal seeds give equal runs; any other judge works in the background
    through an ``Annotator`` and its labels arrive when they are ready. A failed verdict leaves the label NaN.

    Args:
        reward: its judged parts are found in chains, products, minima and sums; anywhere else they are refused.
        judge: ``None`` for a reward without judged parts.
        captions: the sentences of the task, by caption id.
        subgoals: names of the task's subgoals, which ``JudgedSubgoals`` without sentences of its own asks about.
    """

    def __init__(
        self, reward: RewardTransform, judge: Any, captions: tuple[str, ...], subgoals: tuple[str, ...] = ()
    ) -> None:
        self._parts: dict[str, list[tuple[Any, tuple[str, ...]]]] = {}
        for part, path in _judged(reward):
            self._parts.setdefault(part.component, []).append((part, path))
        if self._parts and judge is None:
            raise UserError(
                f"the reward has judged components {sorted(self._parts)} but no judge; pass judge=..., "
                "for example rewardax.wrappers.judges.ScriptedJudge()"
            )
        if judge is not None and not self._parts:
            raise UserError(
                "a judge is given, but no part of the reward asks one; add Judged() or JudgedSubgoals(), or leave "
                "judge=None"
            )
        if self._parts and not captions:
            raise UserError("the reward has judged components but this environment offers no captions to judge")
        require_captions(reward, captions)
        self._questions = {name: _asked(name, parts, captions, subgoals) for name, parts in self._parts.items()}
        sizes = {name: parts[0][0].num_labels for name, parts in self._parts.items()}
        self._tables = {name: np.full(size, np.nan, np.float32) for name, size in sizes.items()}
        self._judge: Any = judge if self._parts else None
        self._annotator: Any = None
        if self._judge is not None and not getattr(judge, "deterministic", False):
            self._annotator = Annotator(judge)

    def ask(self, state: State) -> None:
        """Send captions that were seen and have no label; take what has been answered."""
        for name, parts in self._parts.items():
            waiting = dict.fromkeys(int(i) for part, path in parts for i in part.pending(_inside(state, path)))
            ids = np.array([i for i in waiting if np.isnan(self._tables[name][i])], np.int32)
            queries = [Query(self._questions[name][i], id=(name, int(i))) for i in ids]
            if self._annotator is not None:
                self._annotator.submit(queries)
            elif queries:
                self._tables[name][ids] = [verdict.value for verdict in self._judge(queries)]
        if self._annotator is not None:
            for (name, i), verdict in self._annotator.poll().items():
                self._tables[name][i] = verdict.value

    def feedback(self) -> dict[str, dict[str, np.ndarray]] | None:
        """Label tables in the form that ``learn(feedback=...)`` takes; ``None`` without judged parts."""
        if not self._parts:
            return None
        return {
            name: {"caption": np.arange(len(table), dtype=np.int32), "value": table.copy()}
            for name, table in self._tables.items()
        }

    def close(self) -> None:
        """Stop the background judge, if any."""
        if self._annotator is not None:
            self._annotator.close()


def _judged(reward: RewardTransform, path: tuple[str, ...] = ()) -> list[tuple[Any, tuple[str, ...]]]:
    """Parts of a reward that hold a label table, with their path of names in its memory."""
    if hasattr(reward, "pending"):
        return [(reward, path)]
    if isinstance(reward, Chain):
        pairs = zip(reward.names, reward.parts, strict=True)
        return [found for name, part in pairs for found in _judged(part, (*path, name))]
    if isinstance(reward, Product):  # remembers what its inner transform remembers
        return _judged(reward.inner, path)
    fields = {field.name: getattr(reward, field.name) for field in dataclasses.fields(reward)}  # type: ignore[arg-type]
    inside = jax.tree.leaves(fields, is_leaf=lambda x: isinstance(x, RewardTransform))
    for part in inside:
        if isinstance(part, RewardTransform) and _judged(part):
            what, outer = type(_judged(part)[0][0]).__name__, type(reward).__name__
            raise UserError(
                f"no label would ever reach the {what} inside {outer}; judged parts are found in chain, Product, "
                f"Minimum and Sum. Take it out of the {outer}."
            )
    return []


def _inside(state: State, path: tuple[str, ...]) -> State:
    """The run-long memory of the part of a chain that ``path`` leads to."""
    shared = state.shared
    for name in path:
        shared = shared[name]
    return State(shared=shared)


def _asked(name: str, parts: list[Any], captions: tuple[str, ...], subgoals: tuple[str, ...]) -> tuple[str, ...]:
    """What the judge is asked about a component, by item number."""
    every = [part.sentences(captions, subgoals) if isinstance(part, JudgedSubgoals) else captions for part, _ in parts]
    if len({(part.num_labels, asked) for (part, _), asked in zip(parts, every, strict=True)}) > 1:
        raise UserError(
            f"{len(parts)} judged parts share the component {name!r}, hence its labels, but differ in what they ask "
            "or in num_captions. Give one of them another `component` name."
        )
    return every[0]
