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
    """Files of the repository, or of the unpacked source archive where there is no git."""
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0:
        return tuple(path for name in git.stdout.split("\0") if name and (path := ROOT / name).is_file())
    built = ("__pycache__", ".egg-info", "build", "_build", "generated", ".typing")
    inside = (path for path in ROOT.rglob("*") if path.is_file())
    return tuple(p for p in inside if not any(part.endswith(built) for part in p.relative_to(ROOT).parts))
