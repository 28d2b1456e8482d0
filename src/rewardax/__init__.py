"""rewardax: sparse-reward environments, composable reward transforms and compiled agents."""

__version__ = "0.1.0"
