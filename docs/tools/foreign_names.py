"""Where the names of other packages are documented: small inventories, so that a build needs no network."""

from __future__ import annotations

import zlib
from pathlib import Path

# Packages whose other names are shown without a link.
PACKAGES = ("collections", "flax", "gymnasium", "jax", "jaxlib", "jaxtyping", "numpy", "optax", "types", "typing")

_BUILT_IN = "https://docs.python.org/3/library/"
_PYTHON = {
    "functions.html": "bool bytes dict float frozenset int list object property set str tuple type",
    "exceptions.html": "AssertionError FileNotFoundError ImportError KeyError ModuleNotFoundError NotImplementedError "
    "OSError RuntimeError TypeError ValueError",
    "constants.html": "Ellipsis None",
    "collections.abc.html": "collections.abc.Callable collections.abc.Collection collections.abc.Iterable "
    "collections.abc.Iterator collections.abc.Mapping collections.abc.Sequence",
    "pathlib.html": "pathlib.Path",
    "typing.html": "typing.Any typing.Literal typing.NamedTuple typing.Protocol typing.TypedDict",
}
_GYMNASIUM = {
    "api/env/": "gymnasium.Env",
    "api/wrappers/": "gymnasium.Wrapper",
    "api/vector/": "gymnasium.vector.VectorEnv",
    "api/vector/wrappers/": "gymnasium.vector.VectorWrapper",
    "api/spaces/": "gymnasium.spaces.Space",
}
_JAX = {"_autosummary/jax.Array.html#jax.Array": "jax.Array jax.jaxlib._jax.Array"}
_NUMPY = {"reference/generated/numpy.ndarray.html#numpy.ndarray": "numpy.ndarray ndarray"}
INVENTORIES = {
    "python": (_BUILT_IN, _PYTHON),
    "gymnasium": ("https://gymnasium.farama.org/", _GYMNASIUM),
    "jax": ("https://docs.jax.dev/en/latest/", _JAX),
    "numpy": ("https://numpy.org/doc/stable/", _NUMPY),
}


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write one file a project and return the setting ``intersphinx_mapping``."""
    mapping = {}
    for project, (address, pages) in INVENTORIES.items():
        anchors = {name: page if "#" in page else f"{page}#{name}" for page in pages for name in pages[page].split()}
        lines = [f"{name} py:class 1 {anchor} -" for name, anchor in anchors.items()]
        head = ["Sphinx inventory version 2", f"Project: {project}", "Version:", "The rest is compressed using zlib."]
        path = folder / f"{project}.inv"
        path.write_bytes("".join(f"# {line}\n" for line in head).encode() + zlib.compress("\n".join(lines).encode()))
        mapping[project] = (address, str(path))
    return mapping
