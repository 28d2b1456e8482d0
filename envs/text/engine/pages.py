"""Pages: the line slots of an observation, before and after the words are filled in."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.language.templates import WORDS_PER_LINE


class Page(NamedTuple):
    """The line slots of one observation before the words are filled in."""

    template: Array  # int[S] row of the family's templates
    words: Array  # int[S, 4] word ids for the template's slots
    shown: Array  # bool[S]
    kind: Array  # int8[S] line_type where shown


class Lines(NamedTuple):
    """Line slots of one observation in words."""

    words: Array  # int32[S, W]
    length: Array  # int[S]
    shown: Array  # bool[S]
    kind: Array  # int[S] line_type where shown


def widened(words: Array, width: int) -> Array:
    """Lines with padding words up to ``width``."""
    return jnp.pad(words, ((0, 0), (0, width - words.shape[1])))


def rows(template: Any, *words: Any, shown: Any = True, kind: Any = 0) -> Page:
    """A page of the lines that the broadcast arguments describe (scalars make one line)."""
    parts = [jnp.atleast_1d(jnp.asarray(x)) for x in (template, shown, kind, *words)]
    size = max(part.shape[0] for part in parts)
    template, shown, kind, *given = [jnp.broadcast_to(part, (size,)) for part in parts]
    padding = [jnp.zeros(size, jnp.int32)] * (WORDS_PER_LINE - len(given))
    return Page(template, jnp.stack([w.astype(jnp.int32) for w in (*given, *padding)], -1), shown, kind)


def word(first: int, offset: Any) -> Array:
    """Word ids of a vocabulary range by offset (small integers would overflow)."""
    return first + jnp.asarray(offset, jnp.int32)


def join(*pages: Page) -> Page:
    """Pages one after the other."""
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *pages)
