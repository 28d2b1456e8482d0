"""Environments of others, seen as ours: text games as Gymnasium environments, JAX suites as functional cores.

None of them is a dependency: ``pip install "rewardax[foreign]"`` brings the text games (TextWorld is compiled, which
needs a C compiler and make; TextWorldExpress runs in Java), and an adapter whose package is missing says what to
install.
"""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
