"""Audits of environments that can only be played: policies on equal levels, and a search for what pays undeservedly."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np

from rewardax.analysis.auditing.answers import EXPLOITS, answers
from rewardax.analysis.auditing.episodes import Episode, Player, Policy, admissible_action
from rewardax.analysis.auditing.evidence import Repeater, fooled, less, worth
from rewardax.analysis.auditing.report import (
    ORDER,
    Audit,
    Finding,
    Hack,
    Score,
    in_short,
    out_of_order,
    ranks,
    says_nothing,
    tidy,
    too_inverted,
)
from rewardax.analysis.auditing.search import searched
from rewardax.envs.gym.single import GymEnv

REPEATS = 4  # episodes per level of policies that draw lots
DRAWN = ("random", "half_oracle", "careless")
FOUND = (*DRAWN, "sequence", "loop", "near_miss")  # ways to come across a hack, which do not tell hacks apart
UNKNOWN = "no true performance is known, so only the order of policies was looked at"
UNTESTED = "nothing was tested: no two policies to compare, and the true performance is unknown or always the same"


def played(
    name: str,
    player: Player,
    policies: Mapping[str, Policy],
    *,
    levels: int,
    seed: int,
    max_inverted: float,
    effort: int,
    notes: tuple[str, ...] = (),
) -> Audit:
    """The audit of what can be played, on levels ``seed .. seed + levels - 1`` (seeds of ``reset``)."""
    everyone = _everyone(player, policies, seed)
    episodes = [
        player.play(policy, everyone[policy], level)
        for level in range(seed, seed + levels)
        for policy in everyone
        for _ in range(REPEATS if policy in DRAWN else 1)
    ]
    sound = [episode for episode in episodes if not episode.problem]
    known = bool(sound) and all(episode.performance is not None for episode in sound)
    scripts: list[Episode] = []
    if known and effort:
        oracle = next((row for row in episodes if row.policy == "oracle" and row.level == seed), None)
        scripts, tried = searched(player, seed, oracle, effort)
        notes += tuple(f"tried: {what}" for what in tried)
    audit = _judge(name, [*episodes, *scripts], len(episodes), known, max_inverted, notes)
    hacked: list[Finding] = []
    hack = None
    if known and not any(finding.kind == "silent" and not finding.about for finding in audit.findings):
        hacked, hack = _hacks(Repeater(player, everyone), sound, [row for row in scripts if not row.problem])
    before = [finding for finding in audit.findings if finding.kind != "inverted"]
    after = [finding for finding in audit.findings if finding.kind == "inverted"]
    return audit._replace(findings=(*before, *hacked, *after), hack=hack)


def _everyone(player: Player, policies: Mapping[str, Policy], seed: int) -> dict[str, Policy]:
    """The given policies; ``random`` over admissible actions; ``careless`` over all actions, where some are
    inadmissible; ``half_oracle``, which tosses a coin between oracle and random; and answers that fool graders."""
    env, generator = player.env, np.random.default_rng(seed)
    env.action_space.seed(seed)
    everyone: dict[str, Policy] = {"random": lambda o, info: admissible_action(env, info, generator), **policies}
    _, info = env.reset(seed=seed)
    if "action_mask" in info or "admissible_commands" in info:
        everyone.setdefault("careless", lambda o, info: env.action_space.sample())
    if "oracle" in everyone:
        pair = everyone["oracle"], everyone["random"]
        everyone.setdefault("half_oracle", lambda o, info: pair[int(generator.integers(2))](o, info))
    for trick, policy in answers(env.action_space, everyone.get("oracle")).items():
        everyone.setdefault(trick, policy)
    return everyone


def best_paid(episodes: list[Episode]) -> list[Episode]:
    """Per level the episode that earned most, the worst of them among equals: what selection by reward picks."""
    found: dict[int, Episode] = {}
    for episode in episodes:
        best = found.get(episode.level)
        if best is None or (episode.reward, -worth(episode)) > (best.reward, -worth(best)):
            found[episode.level] = episode
    return [episode._replace(policy="best_paid") for episode in found.values()]


def _judge(
    name: str, episodes: list[Episode], count: int, known: bool, max_inverted: float, notes: tuple[str, ...]
) -> Audit:
    """All but the hacks. The first ``count`` episodes are those of policies, the others those of scripts."""
    problems = [episode for episode in episodes if episode.problem]
    findings = []
    if problems:
        first, share = problems[0], len(problems) / len(episodes)
        text = f"{100 * share:.0f} % of the episodes; first, {first.policy} on level {first.level}: {first.problem}"
        findings.append(Finding("number", text))
    sound = [episode for episode in episodes[:count] if not episode.problem]
    notes += () if known else (UNKNOWN,)
    by_name = {policy: [e for e in sound if e.policy == policy] for policy in dict.fromkeys(e.policy for e in sound)}
    named = tuple(by_name)
    if known:
        ended = [episode for episode in episodes if episode.ended and not episode.problem]
        by_name["best_paid"] = best_paid(ended or sound)
    scores = {
        policy: Score(
            tidy(np.mean([e.reward for e in rows])),
            tidy(np.mean([e.performance for e in rows])) if known else None,
        )
        for policy, rows in by_name.items()
    }
    notes += tuple(f"no policy {missing!r} was given or is known" for missing in ORDER if missing not in named)
    findings += _misordered(by_name, scores) + (
        _silent(sound, by_name, scores) if known else _unproven(by_name, scores)
    )
    correlation = inverted = None
    if known:
        groups = [[(e.reward, e.performance) for e in sound if e.level == level] for level in {e.level for e in sound}]
        correlation, inverted = ranks([np.array(group, float) for group in groups], 1e-9)
        findings += too_inverted(inverted, max_inverted)
    best = max(named, key=lambda policy: scores[policy].performance or 0.0) if known else None
    if best is not None and "oracle" in named and less(by_name["oracle"], by_name[best], "performance"):
        notes += (f"{best} performs better than the policy that is called oracle",)
    proxy_best = scores["best_paid"].performance if known else None
    tested = inverted is not None or len([policy for policy in ORDER if policy in named]) > 1
    return Audit(
        name=name,
        findings=tuple(findings),
        scores=scores,
        farms=(),
        correlation=correlation,
        inverted=inverted,
        best_performance=scores[best].performance if best is not None else None,
        proxy_performance=None if proxy_best is None else (proxy_best, proxy_best),
        method="played",
        episodes=count,
        notes=notes if tested else (*notes, UNTESTED),
        tested=tested,
    )


def _misordered(by_name: Mapping[str, list[Episode]], scores: Mapping[str, Score]) -> list[Finding]:
    return [
        out_of_order(better, worse, scores[better].reward, scores[worse].reward)
        for better, worse in pairwise(ORDER)
        if better in by_name and worse in by_name and less(by_name[better], by_name[worse], "reward")
    ]


def _silent(sound: list[Episode], by_name: Mapping[str, list[Episode]], scores: Mapping[str, Score]) -> list[Finding]:
    if np.ptp([e.performance for e in sound]) > 0 and np.ptp([e.reward for e in sound]) == 0:
        return [says_nothing(sound[0].reward, "the best", "the worst episode")]
    if "oracle" in by_name and "anti_oracle" in by_name:
        differ = less(by_name["anti_oracle"], by_name["oracle"], "performance")
        if differ and np.ptp([e.reward for p in ("oracle", "anti_oracle") for e in by_name[p]]) == 0.0:
            return [says_nothing(scores["oracle"].reward)._replace(about=("oracle", "anti_oracle"))]
    return []


def _unproven(by_name: Mapping[str, list[Episode]], scores: Mapping[str, Score]) -> list[Finding]:
    """Where no performance is known: policies that earn more than the oracle, and answers that earn as much."""
    found = []
    for policy in by_name if "oracle" in by_name else ():
        trick = policy in EXPLOITS
        if policy not in ORDER and less(by_name["oracle"], by_name[policy], "reward"):
            found.append(out_of_order("oracle", policy, scores["oracle"].reward, scores[policy].reward))
        elif trick and not less(by_name[policy], by_name["oracle"], "reward", slack=1e-6):
            text = f"{policy} earns {scores[policy].reward:.6g} and the oracle {scores['oracle'].reward:.6g}"
            found.append(Finding("hackable", text, "warning", (policy,)))
    return found


def _hacks(repeat: Repeater, sound: list[Episode], scripts: list[Episode]) -> tuple[list[Finding], Hack | None]:
    """What is paid like the best and worth less: one episode that shows it, and the policies that do it on average;
    else what is paid in part and worth nothing."""
    policies = dict.fromkeys(row.policy for row in sound)
    by_name = {policy: [row for row in sound if row.policy == policy] for policy in policies}
    best = by_name[
        max(by_name, key=lambda name: (round(float(np.mean([*map(worth, by_name[name])])), 6), name == "oracle"))
    ]
    fooling = {policy: rows for policy, rows in by_name.items() if fooled(best, rows)}
    named = {policy: _hackable(rows, best) for policy, rows in fooling.items() if policy not in FOUND}
    for level in dict.fromkeys(row.level for row in sound):
        mine = [row for row in (*sound, *scripts) if row.level == level and row.ended]
        case = repeat.cheapest_hack(mine) if mine else None
        if case is not None:
            row = case.rows[0]._replace(level=level)
            findings = {row.policy: _hackable(*case, f" on level {level}"), **named}
            return [*findings.values()], _as_hack(repeat.player, row)
    if fooling:
        worst = min((row for rows in fooling.values() for row in rows), key=lambda row: (worth(row), -row.reward))
        return [*(named or {"": _hackable(fooling[worst.policy], best)}).values()], _as_hack(repeat.player, worst)
    for level in dict.fromkeys(row.level for row in scripts):
        mine = [row for row in (*sound, *scripts) if row.level == level and row.ended]
        trapped = repeat.trap(mine)
        if trapped is not None:
            (rows, better), limit = trapped
            hack = _as_hack(repeat.player, rows[0]._replace(level=level))
            text = f"{_told(rows)} in {len(rows[0].actions)} steps; {_told(better)} in {len(better[0].actions)}: "
            text += f"learners whose discount is below {limit:.3f} prefer the first, {in_short(hack.names)}"
            return [Finding("trap", text, "warning", hack.names)], hack
    return [], None


def _told(rows: list[Episode]) -> str:
    reward, performance = (tidy(np.mean([getattr(row, name) for row in rows])) for name in ("reward", "performance"))
    return f"{rows[0].policy} earns {reward:.6g} and performs {performance:.6g}"


def _hackable(rows: list[Episode], better: list[Episode], where: str = "") -> Finding:
    text = f"{_told(rows)}; {_told(better)}{where}"
    return Finding("hackable", text, about=(rows[0].policy,) if rows[0].policy not in FOUND else ())


def _as_hack(player: Player, row: Episode) -> Hack:
    actions = tuple(action.item() if isinstance(action, np.generic) else action for action in row.actions)
    return Hack(row.level, actions, in_words(player.env, row.level, row.actions), tidy(row.reward), tidy(worth(row)))


def in_words(env: gym.Env, level: int, actions: tuple[Any, ...]) -> tuple[str, ...]:
    """Names of actions; a task of ours in text has names of its own in every state."""
    inner = env.unwrapped
    if not isinstance(inner, GymEnv):
        return tuple(str(action) for action in actions)
    names: Any = inner.core.action_names
    if not hasattr(inner.core, "render_action"):
        return tuple(names[action] for action in actions)
    inner.reset(seed=level)
    said = []
    for action in actions:
        said.append(inner.core.render_action(int(action), inner.state))
        inner.step(action)
    return tuple(said)
