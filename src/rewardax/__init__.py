"""rewardax: sparse-reward environments, composable reward transforms and compiled agents.

Importing it registers the tasks with Gymnasium and nothing more: every other name is loaded on first use, and JAX
with the first name that needs it.
"""

from __future__ import annotations

from rewardax.base.lazy import attach_stub
from rewardax.base.renamed import CLASSES
from rewardax.registration import register_all

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__, renamed=CLASSES)
__all__ = sorted([*__all__, "__version__"])

register_all()
