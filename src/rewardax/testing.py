"""Checks of your own tasks and rewards: ``check_env``, ``check_reward`` with its ``ContractError``, ``check_audit``."""

from __future__ import annotations

from rewardax.analysis.auditing.assertion import check_audit
from rewardax.envs.contract.check import check_env
from rewardax.wrappers.contract.check import ContractError, check_reward

__all__ = ["ContractError", "check_audit", "check_env", "check_reward"]
