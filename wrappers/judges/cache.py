"""A cache of verdicts on disk: every question is asked once and answered from the file from then on."""

from __future__ import annotations

import json
import sqlite3
import time
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rewardax.base.errors import MissingFile, UserError
from rewardax.wrappers.judges.core import Judge, Query, Verdict, digest

SCHEMA = 1
BATCH = 64  # verdicts are stored after so many, so that a kill loses at most these
WAIT = 30.0  # seconds to wait for another writer


@dataclass(frozen=True)
class CachedJudge:
    """A judge with a memory in one SQLite file (WAL, JSON values, no pickle), shared by threads and
    processes.

    The key is the digest of the judge's name (model, prompt, scale) and the question. The verdict stored
    first wins, so everyone sees the same one. Missing verdicts (NaN) are not stored and will be asked again.
    A replayed verdict has zero tokens, cost and latency: summing over verdicts gives what was really spent.

    Args:
        base: the judge to remember.
        path: the SQLite file; made if it does not exist. Keep it on a local disk.
        offline: never ask; questions not in the file get NaN. For an HTTP judge, ``connect=False`` is enough
            then.

    Raises:
        MissingFile: ``offline`` and there is no such file.
        UserError: the file is no judge cache.

    >>> import tempfile, os
    >>> from rewardax.wrappers.judges import ScriptedJudge
    >>> path = os.path.join(tempfile.mkdtemp(), "verdicts.sqlite")
    >>> CachedJudge(ScriptedJudge("grid"), path)([Query("you reach the goal")])[0].value
    1.0
    >>> replayed = CachedJudge(ScriptedJudge("grid"), path, offline=True)
    >>> [verdict.value for verdict in replayed([Query("you reach the goal"), Query("the door closes")])]
    [1.0, nan]
    """

    base: Judge
    path: str
    offline: bool = False

    def __post_init__(self) -> None:
        path = Path(self.path)
        object.__setattr__(self, "path", str(path))
        if self.offline and not path.is_file():
            raise MissingFile(f"no judge cache {path} to replay; run once with offline=False to make it")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(self._open()) as db:
                self._prepare(db)
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path} cannot be used as a judge cache: {error}") from error

    @property
    def name(self) -> str:
        return self.base.name

    @property
    def deterministic(self) -> bool:
        return self.offline or self.base.deterministic

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        prefix = self.base.name
        keys = [digest(prefix, query.key) for query in queries]
        known = self._load(keys)
        missing = {key: query for key, query in zip(keys, queries, strict=True) if key not in known}
        if self.offline:
            known |= {key: Verdict.none("not in the cache, and offline") for key in missing}
            missing = {}
        todo = list(missing.items())
        for start in range(0, len(todo), BATCH):
            part = dict(todo[start : start + BATCH])
            fresh = dict(zip(part, self.base(list(part.values())), strict=True))
            known |= self._store(prefix, part, fresh)
        return [known[key] for key in keys]

    def __len__(self) -> int:
        """Number of stored verdicts, of all judges."""
        with closing(self._open()) as db:
            return int(db.execute("SELECT count(*) FROM verdicts").fetchone()[0])

    def _open(self) -> sqlite3.Connection:
        """A connection of its own for every call: safe with threads, processes and forks."""
        uri = f"{Path(self.path).absolute().as_uri()}?mode={'ro' if self.offline else 'rwc'}"
        return sqlite3.connect(uri, timeout=WAIT, uri=True, isolation_level=None)

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if version not in (0, SCHEMA) or (version == 0 and tables - {"verdicts"}) or (self.offline and version == 0):
            raise UserError(f"{self.path} is a database, but no judge cache of version {SCHEMA}; choose another path")
        if version == SCHEMA:
            return
        self._enable_wal(db)
        db.execute("BEGIN IMMEDIATE")
        db.execute(
            "CREATE TABLE IF NOT EXISTS verdicts "
            "(key TEXT PRIMARY KEY, judge TEXT, query TEXT, verdict TEXT, time REAL) WITHOUT ROWID"
        )
        db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.execute("COMMIT")

    @staticmethod
    def _enable_wal(db: sqlite3.Connection) -> None:
        """Changing the journal mode does not wait for other openers by itself."""
        deadline = time.monotonic() + WAIT
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _load(self, keys: Sequence[str]) -> dict[str, Verdict]:
        with closing(self._open()) as db:
            return _select(db, keys)

    def _store(self, judge: str, asked: dict[str, Query], fresh: dict[str, Verdict]) -> dict[str, Verdict]:
        """Write what is new; what another writer stored in between replaces ours."""
        rows = [
            (
                key,
                judge,
                json.dumps([asked[key].text, asked[key].context]),
                json.dumps(asdict(verdict)),
                time.time(),
            )
            for key, verdict in fresh.items()
            if verdict.parsed
        ]
        if not rows:
            return fresh
        try:
            with closing(self._open()) as db:
                db.execute("BEGIN IMMEDIATE")
                before = _select(db, [row[0] for row in rows])
                db.executemany(
                    "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)",
                    [r for r in rows if r[0] not in before],
                )
                db.execute("COMMIT")
        except sqlite3.Error as error:
            warnings.warn(f"{len(rows)} verdicts were used but not stored in {self.path}: {error}", stacklevel=3)
            return fresh
        return fresh | {
            key: replace(fresh[key], value=old.value, reason=old.reason, raw=old.raw) for key, old in before.items()
        }


def _select(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Verdict]:
    found = {}
    for key in dict.fromkeys(keys):
        row = db.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
        if row is not None:
            try:
                found[key] = replace(
                    Verdict(**json.loads(row[0])), input_tokens=0, output_tokens=0, cost=0.0, latency=0.0
                )
            except (TypeError, ValueError):
                continue  # damaged entry: ask again, the new verdict replaces it
    return found
