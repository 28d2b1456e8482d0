"""Checkpoints of a training run: its state and its history in one file per checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rewardax.base import saving
from rewardax.base.errors import UserError, as_user_error

PyTree = Any
KIND = "training state"


class Checkpoints:
    """The newest states of one run in a folder; a half-written checkpoint is never restored.

    ``fingerprint`` describes the run as JSON. A folder that belongs to another run is refused, one of a run that
    differs in having fewer ``frames`` is gone on from; ``extends`` is then how many.

    Raises:
        UserError: the folder holds another run, or one of a format that no longer loads.
    """

    def __init__(self, folder: str | Path, fingerprint: dict[str, Any]):
        self.folder = Path(folder).absolute()
        with as_user_error("cannot keep checkpoints there; choose another folder", OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
        self.fingerprint = json.loads(json.dumps(fingerprint))
        if any(path.is_dir() and path.name.isdigit() for path in self.folder.iterdir()):
            raise UserError(
                f"{self.folder} holds checkpoints from before rewardax 0.1.0, which no longer load; choose another "
                "folder or delete it"
            )
        self.extends: int | None = None
        self._newest = self._read() if self._chunks() else None

    def save(self, chunk: int, state: PyTree, history: list[Any]) -> None:
        """Store the state after ``chunk`` chunks together with the records so far; keep the two newest."""
        records = [{**r, "metrics": {k: np.asarray(v).tolist() for k, v in r["metrics"].items()}} for r in history]
        facts = {"chunk": chunk, "history": records}
        saving.write(self._path(chunk), saving.pack(KIND, state, self.fingerprint, facts))
        for old in self._chunks()[:-2]:
            self._path(old).unlink()

    def restore(self, like: PyTree) -> tuple[int, PyTree, list[Any]] | None:
        """(chunks done, state, history) of the newest checkpoint when this was made, or ``None``."""
        if self._newest is None:
            return None
        facts = self._newest.facts
        history = [
            {**r, "metrics": {k: np.asarray(v, np.float32) for k, v in r["metrics"].items()}} for r in facts["history"]
        ]
        return facts["chunk"], self._newest.tree(like), history

    def _read(self) -> saving.Saved:
        saved = saving.read(self._path(self._chunks()[-1]), KIND)
        changed = sorted(
            key
            for key in {**saved.fingerprint, **self.fingerprint}
            if saved.fingerprint.get(key) != self.fingerprint.get(key)
        )
        if changed == ["frames"] and saved.fingerprint["frames"] < self.fingerprint["frames"]:
            self.extends = saved.fingerprint["frames"]
        elif changed:
            raise UserError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)} differ; "
                f"{saving.difference(saved.fingerprint, self.fingerprint)}); choose another folder or delete it"
            )
        return saved

    def _path(self, chunk: int) -> Path:
        return self.folder / f"{chunk}.npz"

    def _chunks(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.npz") if path.stem.isdigit())
