"""Settings every test shares: one compilation cache per run, fixed random streams, a patient hypothesis."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

TESTS = pytest.StashKey[int]()
assert "jax" not in sys.modules, "a pytest plugin imported jax before its settings could be made"
# Worker processes and subprocesses inherit the cache, so a program is compiled once per run. Point
# JAX_COMPILATION_CACHE_DIR at a folder of your own to keep it between runs.
OWN_CACHE = "JAX_COMPILATION_CACHE_DIR" not in os.environ
if OWN_CACHE:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="rewardax-tests-")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
os.environ["JAX_THREEFRY_PARTITIONABLE"] = "true"
os.environ.setdefault("MPLBACKEND", "agg")

hypothesis.settings.register_profile("rewardax", deadline=None, derandomize="CI" in os.environ, print_blob=True)
hypothesis.settings.load_profile("rewardax")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the compilation cache of this run."""
    if OWN_CACHE and not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


MAPPINGS = Path("/proc/self/maps")
MOST_MAPPINGS = 16_000  # Linux allows 65,530 by default; every compiled program takes some, and too many is a crash


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let go of compiled programs before the process has too many."""
    item.config.stash[TESTS] = item.config.stash.get(TESTS, 0) + 1
    looks = item.config.stash[TESTS] % 10 == 0 and MAPPINGS.exists() and "jax" in sys.modules
    if looks and MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        sys.modules["jax"].clear_caches()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A chat endpoint on this machine, reached without a proxy."""
    from judge_server import running

    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    with running() as found:
        yield found
