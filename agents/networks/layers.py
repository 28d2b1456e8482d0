"""What several networks are made of: a linear layer, and words hashed into vectors of signs."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array

SIGNS = 64  # length of a sketch


def dense(fan_in: int, fan_out: int, gain: float, rngs: nnx.Rngs) -> nnx.Linear:
    """Linear layer with orthogonal weights and zero bias."""
    return nnx.Linear(fan_in, fan_out, kernel_init=nnx.initializers.orthogonal(gain), rngs=rngs)


def sketch(words: Array, length: Array) -> Array:
    """int8[..., 64]: the (word, position) pairs of ``words`` int[..., W], the first ``length`` [...] of them.

    Feature hashing (Weinberger et al. 2009) into signed counts: word order matters, and no table of word vectors has
    to be gathered and scattered.

    >>> a, b, c = (sketch(jnp.array(words), jnp.array(2)) for words in ([5, 6, 0], [6, 5, 0], [5, 6, 9]))
    >>> bool((a == b).all()), bool((a == c).all())
    (False, True)
    """
    return _signs(_real(words, length), (_in_place(words), 1))


def word_sketch(words: Array, length: Array) -> Array:
    """int8[..., 64]: as :func:`sketch`, of words wherever they stand: what two lines have in common is the product.

    >>> lines = jnp.array([[7, 8, 9], [1, 7, 8], [1, 2, 3]])
    >>> a, b, c = word_sketch(lines, jnp.full(3, 3)).astype(int)
    >>> bool(a @ b > a @ c)
    True
    """
    return _signs(_real(words, length), (_anywhere(words), 1))


def command_sketch(words: Array, length: Array) -> Array:
    """int8[..., 64]: words wherever they stand, twice, and their places."""
    return _signs(_real(words, length), (_anywhere(words), 2), (_in_place(words), 1))


def _real(words: Array, length: Array) -> Array:
    return jnp.arange(words.shape[-1], dtype=jnp.uint32) < length[..., None].astype(jnp.uint32)


def _in_place(words: Array) -> Array:
    return words.astype(jnp.uint32) * 64 + jnp.arange(words.shape[-1], dtype=jnp.uint32)


def _anywhere(words: Array) -> Array:
    return words.astype(jnp.uint32) + jnp.uint32(1 << 30)


def _signs(real: Array, *parts: tuple[Array, int]) -> Array:
    """Sum over the ``real`` words of the signs of their codes, each times its weight."""
    halves = []
    for half in range(SIGNS // 32):
        total = jnp.int32(0)
        for code, weight in parts:
            mixed = _mix(code * jnp.uint32(0x9E3779B1) + jnp.uint32(half * 77 + 1))
            bits = (mixed[..., None] >> jnp.arange(32, dtype=jnp.uint32)) & 1
            total = total + weight * (2 * bits.astype(jnp.int32) - 1)
        halves.append(jnp.where(real[..., None], total, 0).sum(-2))
    return jnp.clip(jnp.concatenate(halves, -1), -127, 127).astype(jnp.int8)


def _mix(code: Array) -> Array:
    """Finalizer of MurmurHash3: every input bit reaches every output bit."""
    code = (code ^ (code >> 16)) * jnp.uint32(0x85EBCA6B)
    code = (code ^ (code >> 13)) * jnp.uint32(0xC2B2AE35)
    return code ^ (code >> 16)
