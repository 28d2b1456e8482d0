"""Settings every test shares: one compilation cache per run, fixed random streams, a patient hypothesis."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

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
