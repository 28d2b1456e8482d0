"""The one file format: any pytree as arrays under their key paths, with a JSON header that says what they are.

A file is a NumPy ``.npz`` without pickle. Its entry ``header`` is JSON (UTF-8 bytes): format and package version,
``kind``, the ``fingerprint`` (what the structure depends on, as readable JSON), further ``facts``, and the shape and
dtype of every leaf by its key path. The other entries are the leaves. No class or module is named in it: the
structure comes from whoever loads, as an example or as shapes (``jax.eval_shape`` of the function that made it).

The same thing is a dict of arrays in memory (:func:`pack`, :func:`unpack`), bytes (:func:`to_bytes`,
:func:`from_bytes`) or a file (:func:`write`, :func:`read`).
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import json
import os
import re
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.base.arrays import is_key, key_bits, like_key
from rewardax.base.errors import MissingFile, UserError

FORMAT = 1
HEADER, LEAVES = "header", "leaves"
Arrays = dict[str, np.ndarray]
PyTree = Any


@dataclasses.dataclass(frozen=True)
class Saved:
    """What was saved, not yet a pytree."""

    kind: str
    fingerprint: dict[str, Any]
    facts: dict[str, Any]
    specs: dict[str, str]
    """Key path -> shape and dtype such as ``float32[2,3]``."""
    weak: frozenset[str]
    """Key paths of the weakly typed leaves."""
    arrays: Arrays
    """Key path -> array; random keys as integers, dtypes that NumPy lacks as bits."""

    def expect(self, fingerprint: Mapping[str, Any]) -> Saved:
        """Raise ``UserError`` naming the first entry in which the fingerprint differs from this one."""
        found = difference(self.fingerprint, json.loads(json.dumps(fingerprint)))
        if found:
            raise UserError(f"this {self.kind} was saved for something else: {found}")
        return self

    def tree(self, like: PyTree, shapes: bool = True) -> PyTree:
        """The saved leaves in the structure of ``like``: NumPy arrays where it has them, JAX arrays elsewhere.

        ``shapes=False`` takes shapes and dtypes of the file, for a ``like`` of which only the structure is known.

        Raises:
            UserError: a leaf is missing, left over, or of another shape or dtype; its key path is named.
        """
        wanted, structure = jax.tree_util.tree_flatten_with_path(like)
        paths = [jax.tree_util.keystr(path) for path, _ in wanted]
        for here, there, word in ((paths, self.specs, "lacks"), (self.specs, paths, "has a leaf too many:")):
            odd = [path for path in here if path not in there]
            if odd:
                raise UserError(f"this {self.kind} {word} {odd[0] or 'the leaf'}; it was saved for something else")
        for path, (_, leaf) in zip(paths, wanted, strict=True):
            needed, found = spec(leaf), self.specs[path]
            if found != needed and (shapes or is_key(leaf) != found.startswith("key<")):
                raise UserError(f"this {self.kind} holds {path or 'a leaf'} as {found}, needed is {needed}")
        leaves = [self._leaf(path, leaf) for path, (_, leaf) in zip(paths, wanted, strict=True)]
        return jax.tree.unflatten(structure, leaves)

    def _leaf(self, path: str, like: Any) -> Any:
        array = self.arrays[path]
        if is_key(like):
            return like_key(like, jnp.asarray(array))
        array = array.view(_parse(self.specs[path])[1])
        if isinstance(like, np.ndarray | np.generic):
            return array.copy()
        value = jnp.array(array)
        if path in self.weak:  # a Python number is the one public source of weak types
            value = jnp.broadcast_to(jnp.asarray(value.dtype.type(0).item()), value.shape).at[...].set(value)
        return value


def pack(kind: str, tree: PyTree, fingerprint: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> Arrays:
    """Header and leaves as a flat dict of arrays, which are copies.

    Args:
        kind: what this is, such as ``"reward"``; loading asks for the same.
        tree: any pytree of arrays, random keys and numbers. ``None`` belongs to the structure, which is not stored.
        fingerprint: JSON of what the structure depends on; a mismatch is explained by it.
        facts: further JSON.

    >>> sorted(pack("example", {"count": jnp.zeros(2)}, {"size": 2}))
    ['header', "leaves['count']"]
    """
    arrays: Arrays = {}
    specs, weak = {}, []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path)
        specs[name] = spec(leaf)
        if getattr(leaf, "weak_type", not hasattr(leaf, "dtype")):
            weak.append(name)
        array = np.array(key_bits(leaf), None if is_key(leaf) else _dtype(leaf))
        arrays[LEAVES + name] = array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array
    header = {
        "format": FORMAT,
        "package": _version(),
        "kind": kind,
        "fingerprint": fingerprint,
        "facts": facts or {},
        "leaves": specs,
        "weak": weak,
    }
    return {HEADER: np.frombuffer(json.dumps(header, indent=1).encode(), np.uint8), **arrays}


def unpack(arrays: Mapping[str, np.ndarray], kind: str, source: str = "this") -> Saved:
    """Inverse of :func:`pack`; ``source`` names the file in errors.

    Raises:
        UserError: of another kind, of a newer format, damaged, or written before there was a format.
    """
    old = UserError(f"{source} is damaged or a {kind} from before rewardax 0.1.0, which no longer loads: save it anew.")
    if HEADER not in arrays:
        raise old
    try:
        header = json.loads(bytes(np.asarray(arrays[HEADER], np.uint8)))
        version, found = header["format"], header["kind"]
    except (ValueError, KeyError, TypeError):
        raise old from None
    if version != FORMAT:
        raise UserError(
            f"{source} has format {version} (rewardax {header.get('package')}), this rewardax reads {FORMAT}: update."
        )
    if found != kind:
        raise UserError(f"{source} is of kind {found!r}, needed is {kind!r}.")
    specs: dict[str, str] = header["leaves"]
    leaves = {name.removeprefix(LEAVES): x for name, x in arrays.items() if name != HEADER}
    for path in {**specs, **leaves}:
        if path not in leaves or path not in specs or not _fits(np.asarray(leaves[path]), specs[path]):
            raise UserError(f"{source} is damaged: the leaf {path or 'of the file'} is not what its header says.")
    return Saved(
        kind=kind,
        fingerprint=header["fingerprint"],
        facts=header["facts"],
        specs=specs,
        weak=frozenset(header["weak"]),
        arrays={path: np.asarray(x) for path, x in leaves.items()},
    )


def to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as the bytes of an ``.npz`` file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def from_bytes(data: bytes, source: str = "this") -> Arrays:
    """Inverse of :func:`to_bytes`.

    Raises:
        UserError: for bytes that are no such file.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{source} is no file of rewardax, or a damaged one ({error}).") from None


def write(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an ``.npz`` file: under another name first, then renamed, so that no half of it is ever found."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            file.write(to_bytes(arrays))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read(path: str | Path, kind: str) -> Saved:
    """What :func:`write` wrote.

    Raises:
        UserError: no such file, or one that :func:`from_bytes` or :func:`unpack` refuses.
    """
    if not Path(path).is_file():
        raise MissingFile(f"there is no file {path} to load a {kind} from.")
    return unpack(from_bytes(Path(path).read_bytes(), str(path)), kind, str(path))


def spec(leaf: Any) -> str:
    """Shape and dtype of a leaf as text.

    >>> spec(jnp.zeros((2, 3), jnp.bfloat16)), spec(1.0)
    ('bfloat16[2,3]', 'float32[]')
    """
    kind = leaf.dtype if is_key(leaf) else _dtype(leaf)
    return f"{kind}[{','.join(map(str, np.shape(leaf)))}]"


def specs(tree: PyTree) -> dict[str, str]:
    """Shape and dtype of every leaf by its key path, a readable part of a fingerprint.

    >>> specs({"count": jnp.zeros(2)})
    {"['count']": 'float32[2]'}
    """
    return {jax.tree_util.keystr(path): spec(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def with_axes(like: PyTree, *axes: int) -> PyTree:
    """Shapes and dtypes of ``like`` with leading axes added.

    >>> with_axes(jnp.zeros(3), 2)
    ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((*axes, *x.shape), x.dtype), like)


def outline(tree: PyTree) -> Any:
    """Shapes and dtypes of dicts and tuples of arrays as JSON; :func:`from_outline` inverts it.

    Raises:
        UserError: another container.

    >>> outline({"image": jnp.zeros((2, 3)), "goal": (jnp.int32(1), None)})
    {'image': 'float32[2,3]', 'goal': ['int32[]', None]}
    """
    if tree is None:
        return None
    if type(tree) is dict:
        return {name: outline(x) for name, x in tree.items()}
    if type(tree) is tuple:
        return [outline(x) for x in tree]
    if not jax.tree_util.all_leaves([tree]) or is_key(tree):
        raise UserError(f"only dicts and tuples of arrays have an outline, not {type(tree).__name__}")
    return spec(tree)


def from_outline(written: Any) -> PyTree:
    """Inverse of :func:`outline`, with shapes and dtypes in place of the arrays.

    >>> from_outline({"goal": ["int32[2]", None]})
    {'goal': (ShapeDtypeStruct(shape=(2,), dtype=int32), None)}
    """
    if isinstance(written, dict):
        return {name: from_outline(x) for name, x in written.items()}
    if isinstance(written, list):
        return tuple(from_outline(x) for x in written)
    return None if written is None else jax.ShapeDtypeStruct(*_parse(written))


def difference(saved: Any, expected: Any, where: str = "") -> str:
    """The first place where two JSON documents differ, in words; empty if they are equal.

    >>> difference({"size": [8, 5]}, {"size": [8, 6]})
    'size[1] is 5 in the file, 6 here'
    """
    if saved == expected:
        return ""
    if isinstance(saved, dict) and isinstance(expected, dict):
        for key in [*saved, *expected]:
            name = f"{where}.{key}" if where else str(key)
            if key not in expected or key not in saved:
                side = "the file has it, here it is not known" if key in saved else "the file lacks it"
                return f"{name}: {side}"
            if saved[key] != expected[key]:
                return difference(saved[key], expected[key], name)
    if isinstance(saved, list) and isinstance(expected, list) and len(saved) == len(expected):
        i = next(i for i, (a, b) in enumerate(zip(saved, expected, strict=True)) if a != b)
        return difference(saved[i], expected[i], f"{where}[{i}]")
    return f"{where} is {saved!r} in the file, {expected!r} here"


def _dtype(leaf: Any) -> Any:
    """The dtype of a leaf; that of Python numbers as JAX makes them."""
    return leaf.dtype if hasattr(leaf, "dtype") else jax.dtypes.canonicalize_dtype(np.result_type(leaf))


def _parse(written: str) -> tuple[tuple[int, ...], Any]:
    name, numbers = re.fullmatch(r"(\w+)\[([\d,]*)\]", written).groups()  # type: ignore[union-attr]
    return tuple(map(int, numbers.split(","))) if numbers else (), jnp.dtype(name)


def _fits(array: np.ndarray, written: str) -> bool:
    """Whether a stored array is what its spec says; a key has an axis more."""
    if written.startswith("key<"):
        shape = tuple(map(int, filter(None, written.split("[")[1][:-1].split(","))))
        return array.dtype == np.uint32 and array.shape[:-1] == shape
    try:
        shape, dtype = _parse(written)
    except (AttributeError, TypeError):
        return False
    stored = np.dtype(f"u{dtype.itemsize}") if dtype.kind == "V" else dtype
    return array.shape == shape and array.dtype == stored


def _version() -> str:
    try:
        return importlib.metadata.version("rewardax")
    except importlib.metadata.PackageNotFoundError:  # a checkout that was not installed
        return "unknown"
