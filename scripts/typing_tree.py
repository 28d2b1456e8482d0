"""Make ``.typing/rewardax``: one link per part of the package, so that type checkers find all of it.

The folders of the repository become ``rewardax.envs``, ``rewardax.wrappers``, ... only by the mapping in
setup.py, which static tools cannot follow. Run this once, and again after adding a file to ``src/rewardax``;
running it twice changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("envs", "wrappers", "agents", "analysis", "experiments")


def make_tree(root: Path = ROOT) -> Path:
    """Bring the link tree in line with the checkout and return its folder."""
    tree = root / ".typing" / "rewardax"
    tree.mkdir(parents=True, exist_ok=True)
    sources = [path for path in (root / "src" / "rewardax").iterdir() if path.name != "__pycache__"]
    wanted = {path.name: path for path in (*sources, *(root / folder for folder in FOLDERS))}
    for link in tree.iterdir():
        if link.name not in wanted or not link.exists():
            link.unlink()
    for name, target in wanted.items():
        link = tree / name
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(target, tree))
    return tree


if __name__ == "__main__":
    print(make_tree())
