"""Processes that were forked after JAX had started: whatever they compute may wait for ever."""

from __future__ import annotations

import os
import sys

from rewardax.base.errors import UserError

_forked = False


def _note_fork() -> None:
    """In the child of a fork: did JAX run in the parent?"""
    global _forked
    bridge = sys.modules.get("jax._src.xla_bridge")
    _forked = _forked or (bridge is not None and bool(getattr(bridge, "_backends", True)))


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_note_fork)


def forked_after_jax() -> bool:
    """Whether JAX had started before this process was forked."""
    return _forked


def refuse_forked() -> None:
    """Say what to do where JAX cannot run, instead of hanging.

    Raises:
        UserError: in a process that was forked after JAX had started.
    """
    if _forked:
        raise UserError(
            "this process was forked after JAX had started, and JAX can wait for ever in it. Start workers afresh, "
            'with context="spawn": gym.make_vec("rewardax:rewardax/KeyFarm-v0", vectorization_mode="async", '
            'vector_kwargs={"context": "spawn"}); or leave vectorization_mode out, which is faster.'
        )
