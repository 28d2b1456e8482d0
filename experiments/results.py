"""The numbers of an experiment in a folder: ``manifest.json`` and ``results.jsonl``, which survive a kill.

``results.jsonl`` gets one line after every compiled chunk of every design, and one when it is done::

    {"kind": "chunk", "design": "potential", "chunk": 3, "frames": 65536, "metrics": {...}, ...}
    {"kind": "final", "design": "potential", "wall": 40.2, "final": {"success": [0.97, 0.99], ...}, ...}

Metrics are lists with one number a seed; ``null`` is "not measured". A kill loses at most the current chunk:
a half-written last line is cut off when the folder is used again. Without a folder the
lines stay in memory.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rewardax.base.errors import UserError

PACKAGES = ("rewardax", "jax", "jaxlib", "flax", "optax", "gymnasium", "numpy")
LONGEST = 100  # characters of the name of a folder


class Results:
    """The growing results of one experiment, in a folder or, with ``out=None``, in memory.

    Args:
        out: folder; made if missing. ``None`` keeps everything in memory.
        config: what determines the numbers (see ``experiments.compare``). ``config["designs"]`` maps a
            design's name to what it is; everything else must stay as it was when the folder was started.

    Opening a folder that holds an experiment resumes it: designs may be added, nothing else may change.

    Raises:
        UserError: when the folder cannot be written, holds another experiment, or is damaged.
    """

    def __init__(self, out: str | Path | None, config: Mapping[str, Any]) -> None:
        self.out = None if out is None else Path(out).expanduser()
        self._chunks: dict[str, dict[int, dict[str, Any]]] = {}
        self._finals: dict[str, dict[str, Any]] = {}
        self.manifest = new_manifest(config)
        if self.out is None:
            return
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            if self._manifest_path.exists():
                self._resume()
            self._write_manifest()
            self._log_path.touch()
        except OSError as error:
            raise UserError(
                f"cannot write results to {str(self.out)!r} ({error.strerror}); choose another folder"
            ) from error
        self._read(repair=True)

    @classmethod
    def load(cls, out: str | Path) -> Results:
        """Read a folder without writing to it.

        Raises:
            UserError: if it holds no results or is damaged.
        """
        results = cls.__new__(cls)
        results.out = Path(out).expanduser()
        if not results._log_path.is_file():
            raise UserError(f"no results in {str(out)!r}; make some with compare(..., out={str(out)!r})")
        results._chunks, results._finals = {}, {}
        results.manifest = results._found()
        results._read(repair=False)
        return results

    @property
    def _manifest_path(self) -> Path:
        return Path(self.out or ".") / "manifest.json"

    @property
    def _log_path(self) -> Path:
        return Path(self.out or ".") / "results.jsonl"

    def describe(self, designs: Mapping[str, Mapping[str, str]]) -> None:
        """Note for readers of the manifest what each design is, in words."""
        self.manifest["descriptions"] = {**self.manifest.get("descriptions", {}), **designs}
        if self.out is not None:
            self._write_manifest()

    def chunks(self, design: str) -> list[dict[str, Any]]:
        """Records of a design so far, in order; metrics as float arrays over seeds."""
        return [self._chunks[design][chunk] for chunk in sorted(self._chunks.get(design, {}))]

    def final(self, design: str) -> dict[str, Any] | None:
        """Last line of a finished design, ``None`` while it is unfinished."""
        return self._finals.get(design)

    def checkpoint(self, design: str) -> Path | None:
        """Folder in which the agent of this design keeps its checkpoint."""
        return None if self.out is None else self.out / "checkpoints" / safe_name(design)

    def add_chunk(self, design: str, record: Mapping[str, Any]) -> None:
        """Append one record of ``train(on_chunk=...)``."""
        self._append({"kind": "chunk", "design": design, **record})

    def add_final(self, design: str, **fields: Any) -> None:
        """Append the closing line of a design."""
        self._append({"kind": "final", "design": design, **fields})

    def _write_manifest(self) -> None:
        _write(self._manifest_path, json.dumps(self.manifest, indent=2) + "\n")

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(plain(entry), allow_nan=False)
        if self.out is not None:
            with self._log_path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._take(json.loads(line))

    def _take(self, entry: dict[str, Any]) -> None:
        design, kind = entry["design"], entry["kind"]
        if kind == "chunk":  # a resumed run may repeat a chunk: the later line counts
            entry["metrics"] = _arrays(entry["metrics"])
            self._chunks.setdefault(design, {})[entry["chunk"]] = entry
        else:
            entry["final"] = _arrays(entry["final"])
            self._finals[design] = entry

    def _read(self, repair: bool) -> None:
        text = self._log_path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if repair and whole != text:
            _write(self._log_path, whole)
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"line {number} of {str(self._log_path)!r} is damaged; delete it or start in a new folder"
                ) from error

    def _found(self) -> dict[str, Any]:
        """The manifest in the folder."""
        found: Any = None
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._manifest_path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not {"config", "runs"} <= set(found):
            raise UserError(f"{str(self._manifest_path)!r} is not a manifest of ours; choose another folder")
        return found

    def _resume(self) -> None:
        found = self._found()
        before, now = found["config"], self.manifest["config"]
        known, asked = before["designs"], now["designs"]
        both = [name for name in asked if name in known]
        changed = difference(
            {**before, "designs": {name: known[name] for name in both}},
            {**now, "designs": {name: asked[name] for name in both}},
        )
        if changed:
            raise UserError(
                f"{str(self.out)!r} holds another experiment: {changed}. "
                "Repeat its settings to resume it, or choose a new folder with out="
            )
        found["config"] = {**before, "designs": {**asked, **known}}
        found["runs"] = [*found["runs"], *self.manifest["runs"]]
        self.manifest = found


def new_manifest(config: Mapping[str, Any]) -> dict[str, Any]:
    """What produced the numbers: config, versions, hardware and the time of the start."""
    import jax

    device = jax.devices()[0]
    run = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "hardware": {
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "device": device.device_kind,
            "backend": device.platform,
            "devices": jax.device_count(),
        },
    }
    return {"config": json.loads(json.dumps(plain(config))), "runs": [run]}


def difference(before: Any, now: Any, path: str = "") -> str:
    """First difference of two JSON values in words, empty if there is none.

    >>> difference({"a": {"b": 1}}, {"a": {"b": 2}})
    'a.b was 1 and is now 2'
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            if found := difference(before.get(key), now.get(key), f"{path}.{key}" if path else str(key)):
                return found
        return ""
    return "" if before == now else f"{path} was {json.dumps(before)} and is now {json.dumps(now)}"


def plain(value: Any) -> Any:
    """JSON form of records: arrays become lists, NaN and infinities become ``None``."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def safe_name(design: str) -> str:
    """Name of a design as the name of a folder that no other design shares.

    Every character outside ``a-z0-9._-`` becomes ``-``, capitals become small. A name that this changes, that is long
    or that a folder cannot have gets a digest behind it.

    >>> safe_name("bonus-0.1"), safe_name("bonus 0.1")
    ('bonus-0.1', 'bonus-0.1-5c597e')
    """
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in design.lower())[:LONGEST]
    if safe == design and safe.strip("."):
        return safe
    return f"{safe}-{hashlib.sha256(design.encode()).hexdigest()[:6]}"


def _arrays(metrics: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.array(values, dtype=np.float64) for name, values in metrics.items()}  # None -> NaN


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, so that a kill leaves the old or the new one."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
