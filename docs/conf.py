"""Sphinx settings. The pages about tasks, methods and functions are written from the code at each build."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate

import rewardax

generate.write_pages(Path(__file__).parent / "generated")

project = "rewardax"
author = "The rewardax authors"
release = version = rewardax.__version__
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "rewardax"
