"""Draw the README's picture from the results of ``rewardax compare --out FOLDER``; FOLDER is the argument."""

from __future__ import annotations

import sys
from pathlib import Path

from rewardax.experiments import Comparison

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "compare.png"

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/readme_picture.py FOLDER")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_bytes(Comparison.load(sys.argv[1]).png(dpi=110))
    print(PICTURE)
