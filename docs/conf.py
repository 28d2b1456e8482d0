"""Sphinx settings: autodoc writes the reference, tools/generate.py the cards of the tasks and the table of methods."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "tools"))

import foreign_names
import generate

import rewardax

GENERATED = Path(__file__).parent / "generated"
generate.write_pages(GENERATED)

project = "rewardax"
author = "The rewardax authors"
release = version = rewardax.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "docstrings",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "rewardax"
default_role = "literal"
python_maximum_signature_line_length = 90

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    # of bases that have no page of their own; not of these
    "inherited-members": "RewardTransform, PyTreeNode, Env, VectorEnv, Wrapper, VectorWrapper, Module, BaseException, "
    "tuple",
    "exclude-members": "replace, examples",  # the same everywhere
}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

# A link of ours that leads nowhere fails the build; of others' packages only the names in foreign_names.py are links.
nitpicky = True
# known to type checkers only, or written without its module by jaxtyping
nitpick_ignore = [("py:class", name) for name in ("Axes", "Figure", "E", "PyTree", "ndarray")]
nitpick_ignore_regex = [("py:.*", rf"({'|'.join(foreign_names.PACKAGES)})(\..*)?")]
intersphinx_mapping = foreign_names.write_inventories(GENERATED)
