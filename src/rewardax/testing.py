"""Checks for your own tasks and rewards: every broken rule of the contract, in a sentence."""

from __future__ import annotations

from rewardax.envs.contract.check import check_env
from rewardax.wrappers.contract.check import check_reward

__all__ = ["check_env", "check_reward"]
