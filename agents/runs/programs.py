"""Compiled programs, kept from one call of ``train`` to the next: other numbers of the same shapes run at once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import jax
import numpy as np

KEPT = 32  # programs; the one that was not used for longest goes first
LEVEL = "xla_backend_optimization_level"
_programs: OrderedDict[Any, Callable[..., Any]] = OrderedDict()


def compiled(
    function: Callable[..., Any],
    *arguments: Any,
    keep: bool = True,
    once: bool = False,
    beside: Executor | None = None,
    **static: Any,
) -> Callable[..., Any]:
    """A program that takes arguments like these.

    Args:
        function: of module level, so that it is the same one at every call.
        keep: whether a later call gets the same program; false where code of a user's own is compiled in, which may
            read what has changed by then.
        once: whether it will run once only, so that compiling it well does not pay.
        beside: a thread that compiles it, for programs that are not needed at once: it is traced now, and the first
            call, or :func:`finish`, waits for it.
        arguments: pytrees; structure, shapes and dtypes are compiled in, numbers are not.
        static: further arguments by name, hashable, compiled in.

    >>> def scale(x, by, times):
    ...     return x * by * times
    >>> run = compiled(scale, np.ones(2), 2.0, times=3)
    >>> run(np.ones(2), 2.0).tolist(), run is compiled(scale, np.zeros(2), 5.0, times=3)
    ([6.0, 6.0], True)
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(1) as thread:
    ...     run = compiled(scale, np.ones(3), 2.0, beside=thread, times=1)
    >>> run(np.ones(3), 2.0).tolist()
    [2.0, 2.0, 2.0]
    """
    if not keep:
        return _compile(jax.jit(lambda *given: function(*given, **static)).lower(*arguments), once, beside)
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((np.shape(x), str(getattr(x, "dtype", type(x))), getattr(x, "weak_type", False)) for x in leaves)
    key = (function, structure, shapes, tuple(sorted(static.items())), jax.dtypes.canonicalize_dtype(float))
    if key not in _programs or _failed(_programs[key]):
        call = jax.jit(function, static_argnames=tuple(static))
        _programs[key] = _compile(call.lower(*arguments, **static), once, beside)
        while len(_programs) > KEPT:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key]


class _Beside:
    """A program that another thread compiles."""

    def __init__(self, program: Future):
        self.program = program

    def __call__(self, *arguments: Any) -> Any:
        return self.program.result()(*arguments)


def finish(program: Callable[..., Any]) -> None:
    """Wait until a program is compiled, so that the first call only runs it."""
    if isinstance(program, _Beside):
        program.program.result()


def _failed(program: Callable[..., Any]) -> bool:
    if not isinstance(program, _Beside) or not program.program.done():
        return False
    return program.program.cancelled() or program.program.exception() is not None


def _compile(traced: Any, once: bool, beside: Executor | None) -> Callable[..., Any]:
    if beside is None:
        return traced.compile(_options(once))
    # tracing is over, so settings of JAX that hold in this thread only have had their say
    return _Beside(beside.submit(traced.compile, _options(once)))


def _options(once: bool) -> dict[str, Any] | None:
    """How hard XLA's compiler tries on a CPU, unless ``XLA_FLAGS`` says it.

    At 1 training compiles in four fifths of the time and runs as fast as at the usual 2; at 0 it compiles in half of
    it and runs at half the speed.
    """
    if jax.default_backend() != "cpu" or LEVEL in os.environ.get("XLA_FLAGS", ""):
        return None
    return {LEVEL: 0 if once else 1}
