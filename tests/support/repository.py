"""Where things are in this repository; used by the tests that look at the repository itself."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUBPACKAGES = ("envs", "wrappers", "agents", "analysis", "experiments")
FOLDERS = {"rewardax": ROOT / "src" / "rewardax", **{f"rewardax.{name}": ROOT / name for name in SUBPACKAGES}}


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository, or of the unpacked source archive where there is no git; links are not followed."""
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0:
        return tuple(path for name in git.stdout.split("\0") if name and is_own(path := ROOT / name))
    built = ("__pycache__", ".egg-info", "build", "_build", "generated")
    inside = (path for path in ROOT.rglob("*") if is_own(path))
    return tuple(p for p in inside if not any(part.endswith(built) for part in p.relative_to(ROOT).parts))


def is_own(path: Path) -> bool:
    """Whether this is a file itself, and not a link to one, as those in ``.typing`` are."""
    return path.is_file() and not path.is_symlink()
