"""The file format: every kind of leaf comes back, what does not fit is named, half a file is never found."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from rewardax.base import saving
from rewardax.base.arrays import is_key, key_bits
from rewardax.base.errors import UserError

KIND = "test"
TREE: dict[str, Any] = {
    "key": jax.random.split(jax.random.key(3), 2),
    "rbg": jax.random.key(4, impl="rbg"),
    "half": jnp.asarray([1.5, jnp.nan, -0.0], jnp.bfloat16),
    "four": jnp.asarray([1, 7], jnp.int4),
    "eight": jnp.asarray(0.5, jnp.float8_e4m3fn),
    "empty": (jnp.zeros((0, 3)), None, ()),
    "weak": jnp.full((2,), 0.1),
    "number": jnp.asarray(2),
    "flag": jnp.asarray(True),
    "host": np.arange(3.0),
    "bytes": jnp.asarray([250], jnp.uint8),
}


def saved(tree: Any = TREE, **fingerprint: Any) -> saving.Saved:
    return saving.unpack(saving.from_bytes(saving.to_bytes(saving.pack(KIND, tree, fingerprint))), KIND)


def test_every_kind_of_leaf_comes_back_from_shapes_alone() -> None:
    like = jax.eval_shape(lambda: {name: x for name, x in TREE.items() if name != "host"}) | {"host": np.zeros(3)}
    again = saved().tree(like)
    assert jax.tree.structure(again) == jax.tree.structure(TREE)
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(TREE), jax.tree.leaves(again), strict=True):
        assert type(new) is type(old) and new.dtype == old.dtype, path
        assert getattr(new, "weak_type", None) == getattr(old, "weak_type", None), path
        assert np.asarray(key_bits(new)).tobytes() == np.asarray(key_bits(old)).tobytes(), path
    assert again["weak"].weak_type and is_key(again["rbg"]) and again["half"].dtype == ml_dtypes.bfloat16


def test_python_numbers_come_back_as_jax_makes_them() -> None:
    number = saved({"x": 1.5}).tree({"x": 0.0})["x"]
    assert number == 1.5 and number.weak_type and number.dtype == jnp.float32


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"a": jnp.zeros(2), "b": jnp.zeros(1)}, r"lacks \['b'\]"),
        ({}, r"has a leaf too many: \['a'\]"),
        ({"a": None}, r"has a leaf too many: \['a'\]"),
        ({"a": jnp.zeros(3)}, r"holds \['a'\] as float32\[2\], needed is float32\[3\]"),
        ({"a": jnp.zeros(2, jnp.int32)}, r"holds \['a'\] as float32\[2\], needed is int32\[2\]"),
        ({"a": jax.random.key(0)}, r"holds \['a'\] as float32\[2\], needed is key<fry>\[\]"),
        (jnp.zeros(2), r"lacks the leaf"),
    ],
)
def test_what_does_not_fit_is_named(like: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        saved({"a": jnp.ones(2)}).tree(like)


def test_a_structure_without_shapes_takes_those_of_the_file() -> None:
    tree = saved({"a": jnp.ones(2, jnp.int8)}).tree({"a": jnp.zeros(())}, shapes=False)
    assert tree["a"].dtype == jnp.int8 and tree["a"].shape == (2,)
    with pytest.raises(ValueError, match="needed is key"):
        saved({"a": jnp.ones(2)}).tree({"a": jax.random.key(0)}, shapes=False)


def test_the_fingerprint_says_what_differs() -> None:
    found = saved(size=[8, 5], names={"a": 1})
    assert found.expect({"size": (8, 5), "names": {"a": 1}}) is found
    for other, message in (
        ({"size": [8, 6], "names": {"a": 1}}, r"size\[1\] is 5 in the file, 6 here"),
        ({"size": [8, 5], "names": {}}, r"names\.a: the file has it, here it is not known"),
        ({"size": [8, 5], "names": {"a": 1}, "more": 2}, "more: the file lacks it"),
        ({"size": [8], "names": {"a": 1}}, r"size is \[8, 5\] in the file, \[8\] here"),
    ):
        with pytest.raises(ValueError, match=f"saved for something else: {message}"):
            found.expect(other)


def header_of(arrays: dict[str, np.ndarray], **changes: Any) -> np.ndarray:
    header = json.loads(bytes(arrays["header"])) | changes
    return np.frombuffer(json.dumps(header).encode(), np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"leaves['a']": np.ones(3, np.float32)}, r"damaged: the leaf \['a'\]"),
        (lambda a: a | {"leaves['a']": np.ones(2, np.float64)}, r"damaged: the leaf \['a'\]"),
        (lambda a: a | {"leaves['b']": np.ones(2)}, r"damaged: the leaf \['b'\]"),
        (lambda a: {"header": a["header"]}, r"damaged: the leaf \['a'\]"),
        (lambda a: a | {"header": header_of(a, leaves={"['a']": "os.system[2]"})}, r"damaged: the leaf \['a'\]"),
        (lambda a: a | {"header": header_of(a, format=2)}, "has format 2 .* this rewardax reads 1: update"),
        (lambda a: a | {"header": header_of(a, kind="reward")}, "of kind 'reward', needed is 'test'"),
        (lambda a: a | {"header": a["header"][:-9]}, "before rewardax 0.1.0"),
        (lambda a: {"leaves['a']": a["leaves['a']"]}, "before rewardax 0.1.0"),
    ],
)
def test_tampered_files_are_refused(change: Any, message: str) -> None:
    arrays = change(saving.pack(KIND, {"a": jnp.ones(2)}, {}))
    with pytest.raises(ValueError, match=message):
        saving.unpack(saving.from_bytes(saving.to_bytes(arrays)), KIND)


def test_pickles_and_other_bytes_are_refused() -> None:
    stream = io.BytesIO()
    np.savez(stream, header=np.array([{"a": 1}], object))
    for data in (stream.getvalue(), b"", b"no zip at all", stream.getvalue()[:50]):
        with pytest.raises(ValueError, match="no file of rewardax, or a damaged one"):
            saving.from_bytes(data)


def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    saving.write(path, saving.pack(KIND, {"a": jnp.ones(2)}, {}))

    def broken(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        saving.write(path, saving.pack(KIND, {"a": jnp.zeros(2)}, {}))
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]
    assert saving.read(path, KIND).tree({"a": jnp.zeros(2)})["a"].tolist() == [1.0, 1.0]


def test_files_have_the_permissions_of_any_other(tmp_path: Path) -> None:
    saving.write(tmp_path / "x.npz", saving.pack(KIND, {}, {}))
    (tmp_path / "other").touch()
    assert (tmp_path / "x.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file .*x\.npz to load a test from") as caught:
        saving.read(tmp_path / "x.npz", KIND)
    assert isinstance(caught.value, FileNotFoundError)


def test_outlines_are_for_dicts_and_tuples_of_arrays() -> None:
    tree = {"a": (jnp.zeros((2, 0)), None), "b": {}, "c": ()}
    again = saving.from_outline(json.loads(json.dumps(saving.outline(tree))))
    assert jax.tree.structure(again) == jax.tree.structure(tree) and again["a"][0].shape == (2, 0)
    for other in ([jnp.zeros(2)], jax.random.key(0)):
        with pytest.raises(ValueError, match="only dicts and tuples of arrays"):
            saving.outline(other)
