"""Policy and value networks: encoders of observations, cores over time, heads, and the two together.

``spaces`` encodes any observation space of Gymnasium's fundamental kinds, ``grids`` Minigrid's views, ``texts`` lines
of words; ``encoders`` chooses among them. Names are loaded on first use.
"""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
