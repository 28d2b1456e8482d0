"""Labels of a judge during training: captions that were seen go out, labels come back between compiled chunks."""

from __future__ import annotations

from typing import Any

import numpy as np

from rewardax.base.errors import UserError
from rewardax.wrappers.core import Chain, RewardTransform, State
from rewardax.wrappers.judges import Annotator, Query
from rewardax.wrappers.requirements import require_captions


class JudgeDesk:
    """Keeps one label table per ``Judged`` part of a reward and fills it from a judge.

    A deterministic judge answers at once, so that equal seeds give equal runs; any other judge works in the background
    through an ``Annotator`` and its labels arrive when they are ready. A failed verdict leaves the label NaN.
    """

    def __init__(self, reward: RewardTransform, judge: Any, captions: tuple[str, ...]):
        self._parts = {part.component: (part, path) for part, path in _judged(reward)}
        if self._parts and judge is None:
            raise UserError(
                f"the reward has judged components {sorted(self._parts)} but no judge; pass judge=..., "
                "for example rewardax.wrappers.judges.ScriptedJudge()"
            )
        if self._parts and not captions:
            raise UserError("the reward has judged components but this environment offers no captions to judge")
        require_captions(reward, captions)
        self._captions = captions
        self._tables = {name: np.full(part.num_captions, np.nan, np.float32) for name, (part, _) in self._parts.items()}
        self._judge: Any = judge if self._parts else None
        self._annotator: Any = None
        if self._judge is not None and not getattr(judge, "deterministic", False):
            self._annotator = Annotator(judge)

    def ask(self, state: State) -> None:
        """Send captions that were seen and have no label; take what has been answered."""
        for name, (part, path) in self._parts.items():
            inner = state
            for step in path:
                inner = State(*(column[step] for column in inner))
            ids = np.asarray(part.pending(inner))
            ids = ids[np.isnan(self._tables[name][ids])]
            queries = [Query(self._captions[i], id=(name, int(i))) for i in ids]
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
    """Parts of a reward that hold a label table, with their path of names."""
    if isinstance(reward, Chain):
        pairs = zip(reward.names, reward.parts, strict=True)
        return [found for name, part in pairs for found in _judged(part, (*path, name))]
    return [(reward, path)] if hasattr(reward, "pending") else []
