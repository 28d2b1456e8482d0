"""Checkpoints of a training run: arrays by orbax, the history beside them as JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from rewardax.base.errors import UserError, as_user_error

PyTree = Any


class Checkpoints:
    """The newest states of one run in a folder; a half-written checkpoint is never restored.

    ``fingerprint`` describes the run. A folder that belongs to another run is refused with ``ValueError``.
    """

    def __init__(self, folder: str | Path, fingerprint: dict[str, Any]):
        self.folder = Path(folder).absolute()
        with as_user_error("cannot keep checkpoints there; choose another folder", OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
        mark, text = self.folder / "run.json", json.dumps(fingerprint, sort_keys=True, indent=1)
        if mark.exists() and mark.read_text() != text:
            old = json.loads(mark.read_text())
            changed = sorted(k for k in {*old, *fingerprint} if old.get(k) != json.loads(text).get(k))
            raise UserError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)} differ); "
                "choose another folder or delete it"
            )
        mark.write_text(text)
        self._store = ocp.PyTreeCheckpointer()

    def save(self, chunk: int, state: PyTree, history: list[dict[str, Any]]) -> None:
        """Store the state after ``chunk`` chunks together with the records so far; keep the two newest."""
        records = [{**r, "metrics": {k: np.asarray(v).tolist() for k, v in r["metrics"].items()}} for r in history]
        (self.folder / f"{chunk}.json").write_text(json.dumps(records))
        self._store.save(self.folder / str(chunk), _plain(state))  # written aside, then renamed
        for old in self._chunks()[:-2]:
            shutil.rmtree(self.folder / str(old))
            (self.folder / f"{old}.json").unlink()

    def restore(self, like: PyTree) -> tuple[int, PyTree, list[dict[str, Any]]] | None:
        """(chunks done, state, history) of the newest checkpoint, or ``None``."""
        if not self._chunks():
            return None
        chunk = self._chunks()[-1]
        kinds = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), _plain(like))
        found = self._store.restore(self.folder / str(chunk), restore_args=kinds)
        records = json.loads((self.folder / f"{chunk}.json").read_text())
        history = [{**r, "metrics": {k: np.asarray(v, np.float32) for k, v in r["metrics"].items()}} for r in records]
        leaves = []
        for i, old in enumerate(jax.tree.leaves(like)):
            new = found.get(f"{i:05d}", old)  # arrays without elements are not stored
            leaves.append(jax.random.wrap_key_data(new) if _is_key(old) else jax.numpy.asarray(new, old.dtype))
        return chunk, jax.tree.unflatten(jax.tree.structure(like), leaves), history

    def _chunks(self) -> list[int]:
        return sorted(int(p.name) for p in self.folder.iterdir() if p.is_dir() and p.name.isdigit())


def _is_key(x: Any) -> bool:
    return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(state: PyTree) -> dict[str, Any]:
    """A flat dict of ordinary arrays in leaf order: independent of how the pytree's nodes are called."""
    leaves = jax.tree.leaves(state)
    return {f"{i:05d}": jax.random.key_data(x) if _is_key(x) else x for i, x in enumerate(leaves) if x.size}
