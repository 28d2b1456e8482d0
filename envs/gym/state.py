"""Options of ``reset`` and the byte format of saved states, shared by the two Gymnasium faces."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.gym.program import Program


def check_options(options: Mapping[str, Any] | None, known: tuple[str, ...]) -> dict[str, Any]:
    """A copy of the options of ``reset``.

    Raises:
        ValueError: for one that does not exist.
    """
    options = dict(options or {})
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UserError(f"reset has no option {unknown[0]!r}; options: {', '.join(known)}")
    return options


def spec_hash(program: Program) -> str:
    """Identity of a state format: class, static fields, shapes and dtypes."""
    leaves, tree = jax.tree.flatten(program.structure)
    shapes = [(leaf.shape, str(leaf.dtype)) for leaf in leaves]
    env = program.env
    text = f"{type(env).__module__}.{env!r}|{tree}|{shapes}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dump(program: Program, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> bytes:
    """One byte string holding arrays and JSON facts, marked with the spec hash."""
    header = json.dumps({"spec": spec_hash(program), **facts}).encode()
    stream = io.BytesIO()
    np.savez(stream, header=np.frombuffer(header, np.uint8), **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def load(program: Program, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Inverse of :func:`dump`.

    Raises:
        ValueError: if the bytes are of another kind of task.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = dict(file)
    facts = json.loads(arrays.pop("header").tobytes())
    if facts["spec"] != spec_hash(program):
        raise UserError(
            f"this state was saved by another kind of task (spec {facts['spec']}); "
            f"{program.env!r} has spec {spec_hash(program)}"
        )
    return arrays, facts


def leaves_to_arrays(leaves: tuple[Any, ...]) -> dict[str, np.ndarray]:
    return {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}


def leaves_from_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
    count = sum(name.startswith("leaf_") for name in arrays)
    return tuple(jax.numpy.asarray(arrays[f"leaf_{i}"]) for i in range(count))


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    return dict(generator.bit_generator.state)


def generator_from(state: dict[str, Any]) -> np.random.Generator:
    generator = np.random.Generator(np.random.PCG64())
    generator.bit_generator.state = state
    return generator
