"""Compiled agents: PPO, its training loop and held-out evaluation. Names are loaded on first use."""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

if __name__ != "rewardax.agents":
    raise ImportError(f"import this package as rewardax.agents, not {__name__!r}")

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
