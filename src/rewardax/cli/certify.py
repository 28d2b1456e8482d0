"""``rewardax certify``: whether a reward keeps the best policies of a small task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rewardax.base.errors import UserError


@dataclass(frozen=True)
class Certify:
    """Solve a small task exactly with and without a reward. Exit code 0: the reward keeps what is optimal, 1: it
    does not, 2: a mistake in what was asked, or the question has no exact answer."""

    env: str = "KeyFarm"
    """Id of a task small enough to write out as a table."""
    reward: str = "potential"
    """Built-in design, JSON or TOML file, or "my_reward.py:MyReward"."""
    gamma: float = 0.99
    """The learner's discount."""
    horizon: int | None = None
    """Another time limit; rewards that remember a lot need a short one."""
    time_limit: str = "auto"
    """"cut": the learner bootstraps at the time limit; "end": the episode is over there; "auto": "cut" if possible."""
    level: int = 0
    """Number of the training level."""
    json: bool = False
    """Print JSON instead of sentences."""

    def run(self) -> int:
        """Print the certificate and return the exit code."""
        from rewardax.agents import PPOConfig
        from rewardax.analysis import certify
        from rewardax.envs import level_key, make
        from rewardax.experiments.designs import resolve
        from rewardax.wrappers import chain, to_config

        if not 0.0 < self.gamma <= 1.0:
            raise UserError(f"--gamma must be in (0, 1], got {self.gamma:g}")
        env_kwargs: dict[str, Any] = {} if self.horizon is None else {"horizon": self.horizon}
        env, params = make(self.env, **env_kwargs)
        design = resolve([self.reward], self.env, env_kwargs, agent=PPOConfig(gamma=self.gamma))[0]
        found = certify(
            env,
            params,
            level_key("train", self.level),
            design.reward or chain(),
            gamma=self.gamma,
            time_limit=self.time_limit,
        )
        if self.json:
            from json import dumps

            print(dumps({"env": self.env, "reward": design.name, **found.to_dict()}, indent=1))
        else:
            print("\n".join(_sentences(self.env, design.name, found)))
            if found.time_limit == "end" and _bootstraps(to_config(design.reward or chain())):
                print('note: the potential counts on a learner that bootstraps at the time limit; truncation="absorb"')
        return 0 if found.invariant else 1


def _bootstraps(config: Any) -> bool:
    """Whether some part of a reward counts on the learner to bootstrap at the time limit."""
    if isinstance(config, dict):
        return config.get("truncation") == "bootstrap" or any(map(_bootstraps, config.values()))
    return isinstance(config, list) and any(map(_bootstraps, config))


def _sentences(env: str, reward: str, found: Any) -> list[str]:
    ends = {"cut": "the time limit is no part of the task", "end": "the time limit ends the task"}[found.time_limit]
    verdict = "INVARIANT" if found.invariant else "NOT INVARIANT"
    lines = [
        f"{verdict}: {reward} on {env}, discount {found.gamma:g}, {ends}",
        f"states           {found.states:,} pairs of task state and reward memory",
        f"distance         {found.distance:.4f} to the task's reward (STARC; 0 same order of policies, 1 opposite)",
        f"regret           {found.regret:.4f} of {found.best - found.lowest:.4f} "
        f"({100 * found.normalized_regret:.1f} %) at the start",
        f"regret bound     {100 * found.regret_bound:.1f} %, from the two rewards alone",
        f"action gap       {found.action_gap:.4f} in the task",
    ]
    if found.worst is not None:
        worst = found.worst
        lines += [
            f"worst state      after: {', '.join(worst.path) or '(the start)'}",
            *(f"    {line}" for line in worst.text.splitlines()),
            f"    best for the task: {', '.join(worst.task_actions)}",
            f"    best for the reward: {', '.join(worst.reward_actions)}",
            f"    task value lost from here on: {worst.loss:.4f}",
        ]
    return lines
