"""What is built is what is tracked, and it works where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.repository import FOLDERS, ROOT, SUBPACKAGES, tracked

HEAVY = ("jax", "flax", "optax", "orbax", "matplotlib", "openai")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel and source archive of a copy of the tracked files (what an earlier build left cannot leak in)."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for path in tracked():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    code = "import sys; import setuptools.build_meta as b; d = sys.argv[1]; b.build_wheel(d); b.build_sdist(d)"
    run = subprocess.run([sys.executable, "-c", code, str(dist)], cwd=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {"wheel": next(dist.glob("*.whl")), "sdist": next(dist.glob("*.tar.gz"))}


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which the wheel was installed, without its dependencies."""
    target = tmp_path_factory.mktemp("installed")
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(built["wheel"]),
    ]
    run = subprocess.run([sys.executable, *install], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return target


def python(code: str, *, path: Path | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process; with ``path``, the package installed there is the one that is found."""
    env = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True)


def test_wheel_holds_exactly_the_tracked_files(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        f"{package.replace('.', '/')}/{path.relative_to(folder)}"
        for path in tracked()
        for package, folder in FOLDERS.items()
        if path.is_relative_to(folder)
    }
    assert shipped == expected


def test_sdist_holds_what_the_tests_need(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("src/", "tests/", "notebooks/", "docs/", "scripts/", *(f"{name}/" for name in SUBPACKAGES))
    names = {str(path.relative_to(ROOT)) for path in tracked()}
    wanted = {name for name in names if name.startswith(folders)}
    wanted |= {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "setup.py"}
    assert wanted <= shipped
    assert not [name for name in shipped if name.endswith((".pyc", ".so"))]


@pytest.mark.parametrize("place", ["elsewhere", "repository root"])
def test_installed_wheel_works_from(place: str, installed: Path, tmp_path: Path) -> None:
    cwd = ROOT if place == "repository root" else tmp_path
    code = (
        "import gymnasium, rewardax, rewardax.envs, rewardax.wrappers\n"
        "env = gymnasium.make('rewardax/DoorKey-5x5-v0')\n"
        "env.reset(seed=0)\n"
        "print(rewardax.__file__, rewardax.envs.__file__, len(env.step(0)))"
    )
    run = python(code, path=installed, cwd=cwd)
    assert run.returncode == 0, run.stderr
    package, envs, length = run.stdout.split()
    assert Path(package).is_relative_to(installed)
    assert Path(envs).is_relative_to(installed)
    assert length == "5"


def test_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(installed / "bin" / "rewardax"), "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "compare" in run.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import gymnasium, rewardax\ngymnasium.make('rewardax/DoorKey-5x5-v0')",
        "import gymnasium\ngymnasium.make('rewardax:rewardax/DoorKey-5x5-v0')",
    ],
    ids=["after import", "module in the id"],
)
def test_ids_resolve_in_a_fresh_process(code: str, tmp_path: Path) -> None:
    run = python(code, cwd=tmp_path)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("module", ["rewardax", "rewardax.envs", "rewardax.wrappers", "rewardax.cli"])
def test_import_stays_light(module: str, tmp_path: Path) -> None:
    code = f"import sys, {module}\nprint([name for name in {HEAVY} if name in sys.modules])"
    run = python(code, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_import_registers_every_id_once(tmp_path: Path) -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import gymnasium, rewardax\n"
        "from rewardax.envs.registry import PRESETS\n"
        "ours = {name for name in gymnasium.registry if name.startswith('rewardax/')}\n"
        "assert ours == {f'rewardax/{name}-v0' for name in PRESETS}, ours\n"
        "assert all(isinstance(gymnasium.spec(name).entry_point, str) for name in ours)\n"
        "print(len(ours))"
    )
    run = python(code, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 4
