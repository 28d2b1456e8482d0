"""Settings every test shares: one compilation cache per run, fixed random streams, a patient hypothesis."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A chat endpoint on this machine, reached without a proxy."""
    from judge_server import running

    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    with running() as found:
        yield found
