"""Checkpoints of a training run: arrays by orbax, the history beside them as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

PyTree = Any


class Checkpoints:
    """The newest states of one run in a folder; a half-written checkpoint is never restored.

    ``fingerprint`` describes the run. A folder that belongs to another run is refused with ``ValueError``.
    """

    def __init__(self, folder: str | Path, fingerprint: dict[str, Any]):
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        mark, text = self.folder / "run.json", json.dumps(fingerprint, sort_keys=True, indent=1)
        if mark.exists() and mark.read_text() != text:
            old = json.loads(mark.read_text())
            changed = sorted(k for k in {*old, *fingerprint} if old.get(k) != json.loads(text).get(k))
            raise ValueError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)} differ); "
                "choose another folder or delete it"
            )
        mark.write_text(text)
        self._manager = ocp.CheckpointManager(
            self.folder / "states", options=ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        )

    def save(self, chunk: int, state: PyTree, history: list[dict[str, Any]]) -> None:
        """Store the state after ``chunk`` chunks together with the records so far."""
        records = [{**r, "metrics": {k: np.asarray(v).tolist() for k, v in r["metrics"].items()}} for r in history]
        self._manager.save(
            chunk,
            args=ocp.args.Composite(state=ocp.args.StandardSave(_plain(state)), history=ocp.args.JsonSave(records)),
        )
        self._manager.wait_until_finished()

    def restore(self, like: PyTree) -> tuple[int, PyTree, list[dict[str, Any]]] | None:
        """(chunks done, state, history) of the newest checkpoint, or ``None``."""
        chunk = self._manager.latest_step()
        if chunk is None:
            return None
        found = self._manager.restore(
            chunk,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(_plain(like)), history=ocp.args.JsonRestore()
            ),
        )
        history = [
            {**r, "metrics": {k: np.asarray(v, np.float32) for k, v in r["metrics"].items()}} for r in found["history"]
        ]
        leaves = jax.tree.leaves(found["state"])
        state = jax.tree.unflatten(
            jax.tree.structure(like),
            [
                jax.random.wrap_key_data(new) if _is_key(old) else new
                for old, new in zip(jax.tree.leaves(like), leaves, strict=True)
            ],
        )
        return chunk, state, history

    def close(self) -> None:
        """Wait for writes and release the folder."""
        self._manager.close()


def _is_key(x: Any) -> bool:
    return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(state: PyTree) -> dict[str, Any]:
    """A flat dict of ordinary arrays in leaf order: independent of how the pytree's nodes are called."""
    leaves = jax.tree.leaves(state)
    return {f"{i:05d}": jax.random.key_data(x) if _is_key(x) else x for i, x in enumerate(leaves)}
