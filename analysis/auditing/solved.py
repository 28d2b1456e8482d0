"""Exact audits: what the best, the worst and the best-paid policies of a table are worth."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import gymnasium as gym
import numpy as np

from rewardax.analysis.auditing import exact as audit_exact
from rewardax.analysis.auditing.cycles import farmable_cycles
from rewardax.analysis.auditing.report import (
    ORDER,
    Audit,
    Farm,
    Finding,
    Hack,
    Score,
    farmed,
    out_of_order,
    ranks,
    says_nothing,
    tidy,
    too_inverted,
)
from rewardax.analysis.auditing.tables import Table
from rewardax.analysis.exact.certificate import depends_on_clock, path_to, refuse_run_long_memory
from rewardax.analysis.exact.mdp import reward_mdp
from rewardax.base.errors import UserError
from rewardax.envs.core import Env, PyTree
from rewardax.envs.levels import level_key
from rewardax.envs.mdp import TabularMDP, enumerate_mdp
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.requirements import attach

SAMPLES = 64  # sampled episodes per policy
UNKNOWN = "no true performance is known, so only farms and silence were looked for"


class Asked(NamedTuple):
    """What of the arguments of ``audit`` concerns a table."""

    level: int
    max_inverted: float
    gamma: float
    seed: int


def solved(name: str, table: Table, actions: tuple[str, ...], asked: Asked, *, first: int = 0) -> Audit:
    """The audit of a table; ``actions`` are in words, ``first`` is the number of the first one.

    Raises:
        UserError: for a table that is too large.
    """
    mdp, horizon, known = table.mdp, table.horizon, table.known
    if audit_exact.too_large(mdp, horizon):
        raise UserError(f"{len(mdp.over):,} states and {horizon} steps are too many to solve exactly")
    found = audit_exact.solve(mdp, horizon, episodes=SAMPLES, seed=asked.seed, gamma=asked.gamma)
    shown = found.scores if known else {name: found.scores[name] for name in ("random", "greedy_proxy")}
    scores = {name: Score(tidy(earned), tidy(worth) if known else None) for name, (earned, worth) in shown.items()}
    slack = 1e-5 * max(1.0, *(abs(score.reward) for score in scores.values()))
    hacked = _hackable(found, scores, slack) if known else []
    findings = [*(_misordered(scores, slack) if known else _flat(found, slack)), *hacked]
    farms = cycles_of(table, actions)
    findings += [farmed(farms, known)] if farms else []
    notes: tuple[str, ...] = (table.why_no_cycles,) if table.timeless is None else ()
    notes += () if known else (UNKNOWN,)
    correlation, inverted = ranks([found.episodes], slack) if known else (None, None)
    findings += too_inverted(inverted, asked.max_inverted)
    return Audit(
        name=name,
        findings=tuple(findings),
        scores=scores,
        farms=farms,
        correlation=correlation,
        inverted=inverted,
        best_performance=tidy(found.best_performance) if known else None,
        proxy_performance=(tidy(found.proxy_low), tidy(found.proxy_high)) if known else None,
        method="exact",
        episodes=len(found.episodes) if known else 0,
        notes=notes,
        hack=_hack(mdp, found, actions, first, asked) if hacked else None,
    )


def _misordered(scores: dict[str, Score], slack: float) -> list[Finding]:
    findings = [
        out_of_order(better, worse, scores[better].reward, scores[worse].reward)
        for better, worse in pairwise(ORDER)
        if scores[better].reward < scores[worse].reward - slack
    ]
    top, bottom = scores["oracle"], scores["anti_oracle"]
    differ = (top.performance or 0.0) - (bottom.performance or 0.0) > slack
    return [*findings, says_nothing(top.reward)] if differ and abs(top.reward - bottom.reward) <= slack else findings


def _flat(found: audit_exact.Exact, slack: float) -> list[Finding]:
    """Without a true performance the reward should at least tell the best-paid policy from the worst-paid one."""
    best = found.scores["greedy_proxy"][0]
    return [says_nothing(best, "the best-paid", "the worst-paid policy")] if best - found.least_reward <= slack else []


def _hackable(found: audit_exact.Exact, scores: dict[str, Score], slack: float) -> list[Finding]:
    if found.proxy_low >= found.best_performance - 1e-4 * max(1.0, abs(found.best_performance)):
        return []
    low, high, best = tidy(found.proxy_low), tidy(found.proxy_high), tidy(found.best_performance)
    text = f"the policies with the most reward earn {scores['greedy_proxy'].reward:.6g} and perform {low:.6g}"
    text += f" to {high:.6g}" if high - low > slack else ""
    paid = scores["oracle"].reward
    return [Finding("hackable", f"{text} where {best:.6g} is possible, which pays {paid:.6g}", about=("greedy_proxy",))]


def cycles_of(table: Table, actions: tuple[str, ...]) -> tuple[Farm, ...]:
    """The farms of a table in words."""
    if table.timeless is None:
        return ()
    timeless, names = table.timeless, np.array(actions)
    return tuple(
        Farm(
            tuple(names[path_to(timeless, cycle.states[0])].tolist()),
            tuple(names[list(cycle.actions)].tolist()),
            tidy(cycle.reward),
            tidy(cycle.performance),
        )
        for cycle in farmable_cycles(timeless)
    )


def _hack(mdp: TabularMDP, found: audit_exact.Exact, actions: tuple[str, ...], first: int, asked: Asked) -> Hack:
    states, chosen = (np.array(column) for column in zip(*found.hack, strict=True))
    earned = (asked.gamma ** np.arange(len(states)) * mdp.reward[states, chosen]).sum()
    names = tuple(actions[action] for action in chosen)
    worth = mdp.performance[states, chosen].sum()
    return Hack(asked.level, tuple((chosen + first).tolist()), names, tidy(earned), tidy(worth))


def own_table(env: Env, params: PyTree, reward: RewardTransform | None, level: int, max_states: int) -> Table:
    """The table of a task of ours, and the one without a clock to look for cycles in, if it is finite."""
    key = level_key("train", level)
    if reward is not None:
        reward = attach(reward, env, where=env.family)
        refuse_run_long_memory(env, params, key, reward)

    def table(forget: tuple[str, ...]) -> TabularMDP:
        if reward is None:
            return enumerate_mdp(env, params, key, forget=forget, max_states=max_states)
        return reward_mdp(env, params, key, reward, forget=forget, max_states=max_states)

    task = enumerate_mdp(env, params, key, forget=("t",), max_states=max_states)
    timed = depends_on_clock(env, params, task, () if reward is None else reward.requires)
    timeless: TabularMDP | None = task
    if reward is not None:
        try:
            timeless = table(("t",))
        except ValueError as error:
            if "more than" not in str(error):
                raise
            timeless = None
    mdp = timeless if timeless is not None and not timed else table(())
    why = "no look for farms: what is remembered has no bound, so nothing ever comes back"
    return Table(mdp, timeless, env.horizon(params), True, why)


def action_names(space: gym.spaces.Discrete) -> tuple[str, ...]:
    """Numbered actions in words."""
    return tuple(str(number) for number in range(int(space.start), int(space.start + space.n)))
