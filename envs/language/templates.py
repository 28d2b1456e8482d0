"""Sentences on the device: template rows with slots, filled by array expressions into ``lines`` int32[S, W].

A template row holds up to ``W`` ids; a negative entry ``-1 .. -4`` is a slot for one of the line's four
words. The same arrays make the host string, so text and tokens cannot disagree.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.language.vocab import CUT, WORD_ID

WORDINGS = 3  # tables of equal slots that say the same in other words
WORDS_PER_LINE = 4  # slots {0} .. {3} of a template

# codes of line_type
TASK, PLACE, EXIT, THING, CARRIED, FEEDBACK, MEMORY, CLOCK, GRID_ROW, OPTIONS = range(1, 11)

_PIECE = re.compile(r"\{\d\}|[.,:;?]|[^\s.,:;?{}]+")


class Templates:
    """Sentence table of a family: ``{name: (wording 0, wording 1, wording 2)}``; one string serves all three.

    Slots are written ``{0}`` to ``{3}``. ``ids`` int16[3, K, W] and ``length`` int8[3, K] are what the
    device reads, ``index(name)`` is a row number and ``hash`` identifies the wordings. ``words`` maps words to ids,
    by default those of the suite. Any other word, a sentence longer than ``width`` or wordings with different slots
    are a ``UserError``.

    >>> Templates({"here": "the {0} {1} is here."}, width=8).ids[0, 0].tolist()
    [148, -1, -2, 170, 182, 116, 0, 0]
    """

    def __init__(
        self, sentences: Mapping[str, str | tuple[str, str, str]], width: int, words: Mapping[str, int] = WORD_ID
    ) -> None:
        self._words = words
        self.names = tuple(sentences)
        self.width = width
        self.ids = np.zeros((WORDINGS, len(self.names), width), np.int16)
        self.length = np.zeros((WORDINGS, len(self.names)), np.int8)
        self.sentences: list[tuple[str, ...]] = []
        for row, (name, given) in enumerate(sentences.items()):
            variants = (given,) * WORDINGS if isinstance(given, str) else given
            self.sentences.append(variants)
            if len({frozenset(re.findall(r"\{\d\}", text)) for text in variants}) > 1:
                raise UserError(f"the wordings of template {name!r} have different slots: {variants}")
            for wording, text in enumerate(variants):
                ids = [self._id(piece, name) for piece in _PIECE.findall(text)]
                if len(ids) > width:
                    raise UserError(f"template {name!r} has {len(ids)} words, a line holds {width}: {text!r}")
                self.ids[wording, row, : len(ids)] = ids
                self.length[wording, row] = len(ids)
        self.hash = hashlib.sha256(repr(list(zip(self.names, self.sentences, strict=True))).encode()).hexdigest()[:12]

    def _id(self, piece: str, name: str) -> int:
        if piece.startswith("{"):
            return -1 - int(piece[1])
        if piece not in self._words:
            raise UserError(f"template {name!r} uses {piece!r}, which is not in the vocabulary")
        return self._words[piece]

    def index(self, name: str) -> int:
        """Row number of a template."""
        return self.names.index(name)

    def longest(self, *names: str) -> int:
        """Words of the longest of the named templates in any wording."""
        return int(max(self.length[:, self.index(name)].max() for name in names))

    def fill(self, template: Array, words: Array, wording: Array | int = 0) -> tuple[Array, Array]:
        """Ids int32[..., W] and lengths int8[...] of lines: ``template`` [...], slot ``words`` [..., 4]."""
        wording = jnp.clip(jnp.asarray(wording), 0, WORDINGS - 1)
        rows = jnp.asarray(self.ids, jnp.int32)[wording][template]
        for slot in range(WORDS_PER_LINE):
            rows = jnp.where(rows == -1 - slot, words[..., slot, None].astype(jnp.int32), rows)
        return rows, jnp.asarray(self.length)[wording][template]


def flatten(lines: Array, line_len: Array, length: int) -> Array:
    """Flat ``tokens`` int32[L] of ``lines`` int32[S, W]: the words of all lines in order, 0 beyond the end.

    Should the words not fit, the last token is ``<cut>``.

    >>> flatten(jnp.array([[5, 6, 0], [0, 0, 0], [7, 0, 0]]), jnp.array([2, 0, 1]), 4).tolist()
    [5, 6, 7, 0]
    """
    count = line_len.astype(jnp.int32)
    end = jnp.cumsum(count)
    position = jnp.arange(length)
    line = jnp.zeros(length + 1, jnp.int32).at[jnp.minimum(end, length)].add(1).cumsum()[:length]
    line = jnp.minimum(line, lines.shape[0] - 1)
    tokens = lines[line, jnp.clip(position - (end - count)[line], 0, lines.shape[1] - 1)]
    tokens = jnp.where(position < end[-1], tokens, 0)
    return tokens.at[-1].set(jnp.where(end[-1] > length, CUT, tokens[-1])).astype(jnp.int32)


def hash_words(*arrays: Array) -> Array:
    """u32[2]: two multilinear hashes of integer arrays, each entry with its own odd factor.

    >>> a, b = hash_words(jnp.array([1, 2])), hash_words(jnp.array([2, 1]))
    >>> bool((a == b).any())
    False
    """
    flat = jnp.concatenate([jnp.ravel(x).astype(jnp.int32).astype(jnp.uint32) for x in arrays])
    factors = np.random.default_rng(20240229).integers(0, 2**32, (2, flat.size), np.uint32) | 1
    mixed = flat * np.uint32(0x9E3779B1)
    mixed = (mixed ^ (mixed >> 15)) + np.uint32(0x85EBCA6B)
    sums = jnp.sum(mixed[None, :] * jnp.asarray(factors), axis=1, dtype=jnp.uint32)
    sums = (sums ^ (sums >> 16)) * np.uint32(0xC2B2AE35)
    return sums ^ (sums >> 13)


def admissible_slots(mask: Array, size: int) -> Array:
    """int16[size]: admissible actions in increasing order, padded with -1 (the highest are dropped).

    >>> admissible_slots(jnp.array([False, True, True]), 4).tolist()
    [1, 2, -1, -1]
    """
    return jnp.nonzero(mask, size=size, fill_value=-1)[0].astype(jnp.int16)
