"""Audits of environments that can only be played: episodes of given policies on equal levels, through Gymnasium."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from numbers import Real
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from rewardax.analysis.auditing.report import (
    ORDER,
    Audit,
    Finding,
    Score,
    out_of_order,
    ranks,
    says_nothing,
    tidy,
    too_inverted,
)

Policy = Callable[[Any, Mapping[str, Any]], Any]  # (observation, info) -> action
Performance = str | Callable[[Mapping[str, Any]], float]
LONGEST = 20_000  # steps; an episode that goes on is cut here
REPEATS = 4  # episodes per level of policies that draw lots
CERTAIN = 2.0  # standard errors by which a difference of means must exceed zero
DRAWN = ("random", "half_oracle", "careless")


class Episode(NamedTuple):
    """What an episode earned and what it was worth."""

    policy: str
    level: int
    reward: float
    performance: float | None  # None: nothing tells
    problem: str | None  # what was wrong with the rewards, if anything


def play(
    env: gym.Env,
    policies: Mapping[str, Policy],
    levels: int,
    *,
    performance: Performance = "performance",
    seed: int = 0,
) -> list[Episode]:
    """Episodes of every policy on levels ``seed .. seed + levels - 1`` (seeds of ``reset``).

    To the given policies are added, unless they are given: ``random`` over admissible actions, ``careless`` over all
    actions (where some are inadmissible), and ``half_oracle``, which tosses a coin between oracle and random.
    """
    generator = np.random.default_rng(seed)
    env.action_space.seed(seed)
    everyone: dict[str, Policy] = {"random": lambda o, info: admissible_action(env, info, generator), **policies}
    _, info = env.reset(seed=seed)
    if "action_mask" in info or "admissible_commands" in info:
        everyone.setdefault("careless", lambda o, info: env.action_space.sample())
    if "oracle" in everyone:
        pair = everyone["oracle"], everyone["random"]
        everyone.setdefault("half_oracle", lambda o, info: pair[int(generator.integers(2))](o, info))
    episodes = []
    for level in range(seed, seed + levels):
        for name, policy in everyone.items():
            for _ in range(REPEATS if name in DRAWN else 1):
                episodes.append(play_one(env, name, policy, level, performance))
    return episodes


def play_one(env: gym.Env, name: str, policy: Policy, level: int, performance: Performance) -> Episode:
    """One episode. A reward that is not a number, and an exception of ``step``, are problems and end it."""
    observation, info = env.reset(seed=level)
    total, worth = 0.0, None
    for t in range(LONGEST):
        action = policy(observation, info)
        try:
            observation, reward, terminated, truncated, info = env.step(action)
        except Exception as error:
            return Episode(name, level, total, worth, f"step {t + 1} raised {type(error).__name__}: {error}")
        if not isinstance(reward, Real) or isinstance(reward, bool) or not math.isfinite(reward):
            return Episode(
                name, level, total, worth, f"step {t + 1} gave the reward {reward!r}, which is not a finite number"
            )
        total += float(reward)
        scored = measured(info, performance)
        if scored is None and (terminated or truncated) and worth is None and "success" in info:
            scored = float(bool(info["success"]))
        worth = worth if scored is None else scored + (worth or 0.0)
        if terminated or truncated:
            break
    return Episode(name, level, total, worth, None)


def measured(info: Mapping[str, Any], performance: Performance) -> float | None:
    """The true score of a step, if it is known."""
    if callable(performance):
        return float(performance(info))
    return float(info[performance]) if performance in info else None


def admissible_action(env: gym.Env, info: Mapping[str, Any], generator: np.random.Generator) -> Any:
    """A random admissible action: of ``info["action_mask"]``, else of ``info["admissible_commands"]``, else any."""
    if "action_mask" in info:
        return int(generator.choice(np.flatnonzero(info["action_mask"]))) + int(getattr(env.action_space, "start", 0))
    if len(info.get("admissible_commands", ())):
        return str(generator.choice(list(info["admissible_commands"])))
    return env.action_space.sample()


def best_paid(episodes: list[Episode]) -> list[Episode]:
    """Per level the episode that earned most, the worst of them among equals: what selection by reward picks."""
    found: dict[int, Episode] = {}
    for episode in episodes:
        best = found.get(episode.level)
        if best is None or (episode.reward, -(episode.performance or 0.0)) > (best.reward, -(best.performance or 0.0)):
            found[episode.level] = episode
    return [episode._replace(policy="best_paid") for episode in found.values()]


def judge(name: str, episodes: list[Episode], max_inverted: float, notes: tuple[str, ...]) -> Audit:
    problems = [episode for episode in episodes if episode.problem]
    findings = []
    if problems:
        first, share = problems[0], len(problems) / len(episodes)
        text = f"{100 * share:.0f} % of the episodes; first, {first.policy} on level {first.level}: {first.problem}"
        findings.append(Finding("number", text))
    sound = [episode for episode in episodes if not episode.problem]
    known = bool(sound) and all(episode.performance is not None for episode in sound)
    if not known:
        notes += ("no true performance is known, so only the order of policies was looked at",)
    by_name = {policy: [e for e in sound if e.policy == policy] for policy in dict.fromkeys(e.policy for e in sound)}
    if known:
        by_name["best_paid"] = best_paid(sound)
    scores = {
        policy: Score(
            tidy(np.mean([e.reward for e in rows])),
            tidy(np.mean([e.performance for e in rows])) if known else None,
        )
        for policy, rows in by_name.items()
    }
    notes += tuple(f"no policy {missing!r} was given or is known" for missing in ORDER if missing not in by_name)
    for better, worse in pairwise(ORDER):
        if better in by_name and worse in by_name and _less(by_name[better], by_name[worse], "reward"):
            findings.append(out_of_order(better, worse, scores[better].reward, scores[worse].reward))
    if known and "oracle" in by_name and "anti_oracle" in by_name:
        differ = _less(by_name["anti_oracle"], by_name["oracle"], "performance")
        if differ and np.ptp([e.reward for p in ("oracle", "anti_oracle") for e in by_name[p]]) == 0.0:
            findings.append(says_nothing(scores["oracle"].reward))
    best = max((p for p in scores if p != "best_paid"), key=lambda p: scores[p].performance or 0.0) if known else None
    findings += [] if best is None else _hacked(by_name, scores, best)
    correlation = inverted = None
    if known:
        groups = [[(e.reward, e.performance) for e in sound if e.level == level] for level in {e.level for e in sound}]
        correlation, inverted = ranks([np.array(group, float) for group in groups], 1e-9)
        findings += too_inverted(inverted, max_inverted)
    proxy_best = scores["best_paid"].performance if known else None
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
        episodes=len(episodes),
        notes=notes,
    )


def _hacked(by_name: dict[str, list[Episode]], scores: dict[str, Score], best: str) -> list[Finding]:
    """A policy that earns more and performs worse than the best one; or, as rewards may be noisy, episodes that were
    picked for their reward and perform worse than random ones."""
    for policy, rows in by_name.items():
        other = "random" if policy == "best_paid" else best
        if _less(by_name[other], rows, "reward") and _less(rows, by_name[other], "performance"):
            (earned, worth), (lesser, whole) = scores[policy], scores[other]
            text = f"{policy} earns {earned:.6g} and performs {worth:.6g}; "
            return [Finding("hackable", f"{text}{other} earns {lesser:.6g} and performs {whole:.6g}")]
    return []


def _less(left: list[Episode], right: list[Episode], field: str) -> bool:
    """Whether the left policy has less of something than the right one, beyond chance, level by level."""
    means = [_per_level(rows, field) for rows in (left, right)]
    shared = sorted(means[0].keys() & means[1].keys())
    gaps = np.array([means[1][level] - means[0][level] for level in shared])
    if not len(gaps):
        return False
    error = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
    return bool(gaps.mean() > CERTAIN * error + 1e-9)


def _per_level(rows: list[Episode], field: str) -> dict[int, float]:
    levels = {row.level for row in rows}
    return {level: float(np.mean([getattr(row, field) for row in rows if row.level == level])) for level in levels}
