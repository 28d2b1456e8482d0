"""Compiled programs, kept from one call of ``train`` to the next: other numbers of the same shapes run at once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    later: bool = False,
    **static: Any,
) -> Callable[..., Any]:
    """A program that takes arguments like these.

    Args:
        function: of module level, so that it is the same one at every call.
        keep: whether a later call gets the same program; false where code of a user's own is compiled in, which may
            read what has changed by then.
        once: whether it will run once only, so that compiling it well does not pay.
        later: whether it is needed after something else: it is traced now and compiled beside that, and the first call
            waits for it.
        arguments: pytrees; structure, shapes and dtypes are compiled in, numbers are not.
        static: further arguments by name, hashable, compiled in.

    >>> def scale(x, by, times):
    ...     return x * by * times
    >>> run = compiled(scale, np.ones(2), 2.0, times=3)
    >>> run(np.ones(2), 2.0).tolist(), run is compiled(scale, np.zeros(2), 5.0, times=3)
    ([6.0, 6.0], True)
    >>> compiled(scale, np.ones(3), 2.0, later=True, times=1)(np.ones(3), 2.0).tolist()
    [2.0, 2.0, 2.0]
    """
    if not keep:
        return _compile(jax.jit(lambda *given: function(*given, **static)).lower(*arguments), once, later)
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((np.shape(x), str(getattr(x, "dtype", type(x))), getattr(x, "weak_type", False)) for x in leaves)
    key = (function, structure, shapes, tuple(sorted(static.items())), jax.dtypes.canonicalize_dtype(float))
    if key not in _programs:
        call = jax.jit(function, static_argnames=tuple(static))
        _programs[key] = _compile(call.lower(*arguments, **static), once, later)
        while len(_programs) > KEPT:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key]


def _compile(traced: Any, once: bool, later: bool) -> Callable[..., Any]:
    if not later:
        return traced.compile(_options(once))
    # tracing is over, so settings of JAX that hold in this thread only have had their say
    thread = ThreadPoolExecutor(1)  # one of its own, which ends with its work: a process forked later inherits none
    program = thread.submit(traced.compile, _options(once))
    thread.shutdown(wait=False)
    return lambda *arguments: program.result()(*arguments)


def _options(once: bool) -> dict[str, Any] | None:
    """How hard XLA's compiler tries on a CPU, unless ``XLA_FLAGS`` says it.

    At 1 training compiles in four fifths of the time and runs as fast as at the usual 2; at 0 it compiles in half of
    it and runs at half the speed.
    """
    if jax.default_backend() != "cpu" or LEVEL in os.environ.get("XLA_FLAGS", ""):
        return None
    return {LEVEL: 0 if once else 1}
