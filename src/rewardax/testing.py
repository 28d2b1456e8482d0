"""Checks of your own tasks and rewards: ``check_env``, ``check_reward`` and the ``ContractError`` it raises."""

from __future__ import annotations

from rewardax.envs.contract.check import check_env
from rewardax.wrappers.contract.check import ContractError, check_reward

__all__ = ["ContractError", "check_env", "check_reward"]
