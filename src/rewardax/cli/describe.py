"""``rewardax describe``: what a reward consists of."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True)
class Describe:
    """Print the table of terms of a reward: names, numbers, what each remembers and for how long."""

    reward: Positional[str]
    """JSON file of a reward or design, "my_reward.py:MyReward", or the name of a built-in design."""
    env: str = "DoorKey-8x8"
    """Task that a design is for."""
    json: bool = False
    """Print the complete configuration, defaults included, as JSON instead."""

    def run(self) -> None:
        """Build the reward, so that mistakes in the file are found, and print it."""
        from rewardax.experiments.designs import resolve
        from rewardax.wrappers import chain, describe, to_config

        reward = resolve([self.reward], self.env)[0].reward or chain()
        if self.json:
            from json import dumps

            print(dumps(to_config(reward), indent=1))
        else:
            print(describe(reward))
