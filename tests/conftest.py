"""Settings every test shares: compilation, fixed random streams, a patient hypothesis."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import pytest
from support.compiling import share_contexts
from support.shapes import CHECKED

TESTS = pytest.StashKey[int]()
assert "jax" not in sys.modules, "a pytest plugin imported jax before its settings could be made"
# No compilation cache on disk: with jaxlib 0.10.2 on CPU, a run that wrote hundreds of small programs to it crashed in
# the write, and in another three tests got the numbers of other programs.
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # or every program is hashed, for nothing
# Nearly all time goes into compiling programs that run once: without LLVM's optimizer and with XLA's plain emitters,
# which make one module of each program, compiling takes a sixth. XLA aborts at a flag that it does not know.
# `python -m tests.coverage_of_envs`, `python -m tests.minigrid_levels` and the benchmarks run without these settings.
FLAGS = ["--xla_backend_optimization_level=0"]
if version("jaxlib").startswith("0.10."):
    FLAGS += ["--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"]
os.environ["XLA_FLAGS"] = " ".join([*FLAGS, os.environ.get("XLA_FLAGS", "")])
os.environ["JAX_THREEFRY_PARTITIONABLE"] = "true"
os.environ.setdefault("MPLBACKEND", "agg")
jaxtyping.install_import_hook(CHECKED, "support.shapes.check")  # before any of these modules is imported

share_contexts()

gc.set_threshold(200_000, 20, 50)  # tracing makes many objects: looking for circles among them takes 7 % of all time

hypothesis.settings.register_profile("rewardax", deadline=None, derandomize="CI" in os.environ, print_blob=True)
hypothesis.settings.load_profile("rewardax")

IN_CONTRACT = re.compile(r"/contract/.*?\[(\w+)")


def group(nodeid: str) -> str:
    """Tests of one group run in one process, one after the other: they share compiled programs.

    A group is a file; in folders named ``contract`` it is a transform or a family, the first word in the brackets.
    """
    found = IN_CONTRACT.search(nodeid)
    return found[1] if found else nodeid.partition("::")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of a group together, where its first one is."""
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group(item.nodeid), []).append(item)
    items[:] = [item for tests in groups.values() for item in tests]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """``--dist=loadfile``, by group instead of by file."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return ByGroup(config, log) if config.getoption("dist") == "loadfile" else None


MAPPINGS = Path("/proc/self/maps")
MOST_MAPPINGS = 45_000  # Linux allows 65,530 by default; every compiled program takes some, and too many is a crash


BEGUN = pytest.StashKey[float]()
COSTS: Counter[str] = Counter()  # nodeid -> CPU seconds


def cpu_seconds() -> float:
    """Of this process and of those it has waited for; the time on the clock depends on what else runs."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[BEGUN] = cpu_seconds()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note what the test cost, and let go of compiled programs before the process has too many."""
    item.user_properties.append(("cpu", cpu_seconds() - item.stash.get(BEGUN, cpu_seconds())))
    item.config.stash[TESTS] = item.config.stash.get(TESTS, 0) + 1
    looks = item.config.stash[TESTS] % 10 == 0 and MAPPINGS.exists() and "jax" in sys.modules
    if looks and MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        sys.modules["jax"].clear_caches()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    COSTS[report.nodeid] += dict(report.user_properties).get("cpu", 0.0) if report.when == "teardown" else 0.0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """CPU time of all tests and, with ``--durations``, of the files that cost most."""
    terminalreporter.write_line(f"CPU time of the tests: {sum(COSTS.values()) / 60:.1f} minutes")
    files: Counter[str] = Counter()
    for nodeid, seconds in COSTS.items():
        files[nodeid.partition("::")[0]] += seconds
    for file, seconds in files.most_common(config.getoption("durations") or 0):
        terminalreporter.write_line(f"{seconds:7.1f} s  {file}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A chat endpoint on this machine, reached without a proxy."""
    from support.judge_server import running

    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    with running() as found:
        yield found
