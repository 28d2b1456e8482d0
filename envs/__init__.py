"""Sparse-reward tasks: functional JAX environments, and Gymnasium environments made of them.

``registry`` builds a task by its id (:func:`make`) and ``core`` is the base class of all; ``grid``, ``tabular`` and
``text`` hold the tasks, ``language`` the words of the text tasks. ``levels`` makes start states, ``gym`` puts tasks
behind Gymnasium, ``mdp`` enumerates small ones as tables, ``oracle`` and ``potentials`` know the way to the goal,
``contract`` checks a task, ``foreign`` takes in environments of others, ``cards`` reads the facts in ``assets``.
Importing this imports no JAX.
"""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

if __name__ != "rewardax.envs":
    raise ImportError(f"import this package as rewardax.envs, not {__name__!r}")

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
