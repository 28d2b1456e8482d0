"""``audit``: whether a reward orders policies as it should, before anyone trains with it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np

from rewardax.analysis.auditing import exact as audit_exact
from rewardax.analysis.auditing import played as audit_played
from rewardax.analysis.auditing.cycles import farmable_cycles
from rewardax.analysis.auditing.played import Performance, Policy
from rewardax.analysis.auditing.report import (
    ORDER,
    Audit,
    Farm,
    Finding,
    Score,
    farmed,
    out_of_order,
    ranks,
    says_nothing,
    tidy,
    too_inverted,
)
from rewardax.analysis.exact.certificate import depends_on_clock, path_to, refuse_run_long_memory
from rewardax.analysis.exact.mdp import reward_mdp
from rewardax.base.errors import UserError, as_user_error
from rewardax.envs.core import Env, PyTree
from rewardax.envs.gym.single import GymEnv
from rewardax.envs.levels import level_key
from rewardax.envs.mdp import TabularMDP, enumerate_mdp
from rewardax.envs.oracle import oracle_action
from rewardax.envs.registry import PRESETS, make, task_id
from rewardax.wrappers.config import from_config
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.gym.single import RewardWrapper
from rewardax.wrappers.requirements import attach

METHODS = ("auto", "exact", "played")
SAMPLES = 64  # sampled episodes per policy of an exact audit


def audit(
    env: Any,
    *,
    reward: RewardTransform | Mapping[str, Any] | str | None = None,
    policies: Mapping[str, Policy] | None = None,
    performance: Performance = "performance",
    method: str = "auto",
    level: int = 0,
    levels: int = 16,
    max_inverted: float = 0.05,
    max_states: int = 60_000,
    seed: int = 0,
    **env_kwargs: Any,
) -> Audit:
    """Look for what is wrong with the reward of a task: wrong order, wrong sign, hacks, farms.

    Small tasks of ours are solved exactly on one level: the policies that are best (``oracle``), worst
    (``anti_oracle``) and random in the hidden performance, and the ones that earn most reward (``greedy_proxy``). All
    else is played: larger tasks of ours with their oracle, other Gymnasium environments with the ``policies`` that are
    given. Found wrong, and a reason to fail, are

    - ``number``: a reward that is no finite number, or a step that raises;
    - ``order``: not oracle >= random >= anti-oracle in mean reward;
    - ``silent``: the oracle earns no more than the anti-oracle;
    - ``hackable``: those who earn most do worse in truth than is possible;
    - ``farm``: a cycle that earns reward without true performance (exact audits only);
    - ``inverted``: of more than ``max_inverted`` of all pairs of episodes on one level the truly better one earns
      less.

    Args:
        env: id of a task (ours or any Gymnasium id), a functional :class:`rewardax.envs.Env`, or a Gymnasium
            environment.
        reward: audit the task under this transform, or its configuration.
        policies: name -> ``policy(observation, info) -> action``; ``oracle`` and ``anti_oracle`` are put in order,
            others add pairs to compare. Makes the audit a played one.
        performance: of Gymnasium environments the key of ``info`` that holds each step's true score, or a function of
            ``info``; where the key is missing ``info["success"]`` counts at the end.
        method: ``"exact"``, ``"played"``, or ``"auto"``: exact where possible.
        level: training level that is solved.
        levels: levels that are played, seeds ``seed, seed + 1, ...``.
        max_inverted: allowed share of inverted pairs; rewards that are noisy by design need more.
        max_states: largest table of an exact audit.
        seed: of all that is drawn.
        env_kwargs: parameters of the task, as for :func:`rewardax.make`.

    Of an exact audit the time limit ends the task: use potentials with ``truncation="absorb"``.

    >>> from rewardax.analysis import audit
    >>> found = audit("RingRace")
    >>> found.passed, found.scores["oracle"], found.scores["greedy_proxy"]
    (False, Score(reward=32.0, performance=8.0), Score(reward=64.0, performance=-0.25))
    >>> found.farms[0].actions
    ('anticlockwise', 'clockwise')
    >>> audit("KeyFarm").passed
    True

    Raises:
        UserError: for a task that is too large when ``method="exact"``, and for an unknown method.
    """
    if method not in METHODS:
        raise UserError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    if isinstance(env, str) and (env.startswith("rewardax/") or env in PRESETS or env not in gym.registry):
        env = task_id(env)
    transform = None if reward is None else from_config(reward)
    ours = isinstance(env, Env) or (isinstance(env, str) and env in PRESETS)
    why = "policies were given" if policies else "" if ours else "only tasks of ours can be solved exactly"
    if ours and not policies and method != "played":
        core, params = make(env, **env_kwargs)
        try:
            return _exact(core, params, transform, level, max_inverted, max_states, seed)
        except ValueError as error:
            if method == "exact":
                raise
            why = str(error)
    elif method == "exact":
        raise UserError(f"{why}, so the audit cannot be exact; leave method='auto'")
    world: gym.Env = GymEnv(env, **env_kwargs) if ours else _foreign(env, env_kwargs) if isinstance(env, str) else env
    given = {**(_policies_of(world) if isinstance(world, GymEnv) else {}), **(policies or {})}
    paying = world if transform is None else RewardWrapper(world, transform)
    name = world.core.family if isinstance(world, GymEnv) else str(getattr(world.spec, "id", type(world).__name__))
    episodes = audit_played.play(paying, given, levels, performance=performance, seed=seed)
    return audit_played.judge(
        env if isinstance(env, str) else name, episodes, max_inverted, (f"played: {why}",) if why else ()
    )


def _foreign(env_id: str, env_kwargs: dict[str, Any]) -> gym.Env:
    with as_user_error(f"Gymnasium cannot make {env_id!r} with {env_kwargs}", gym.error.Error, TypeError):
        return gym.make(env_id, **env_kwargs)


def _exact(
    env: Env,
    params: PyTree,
    reward: RewardTransform | None,
    level: int,
    max_inverted: float,
    max_states: int,
    seed: int,
) -> Audit:
    mdp, timeless = _table(env, params, reward, level, max_states)
    horizon = env.horizon(params)
    if audit_exact.too_large(mdp, horizon):
        raise UserError(f"{len(mdp.over):,} states and {horizon} steps are too many to solve exactly")
    found = audit_exact.solve(mdp, horizon, episodes=SAMPLES, seed=seed)
    scores = {name: Score(*map(tidy, pair)) for name, pair in found.scores.items()}
    slack = 1e-5 * max(1.0, *(abs(score.reward) for score in scores.values()))
    findings = [
        out_of_order(better, worse, scores[better].reward, scores[worse].reward)
        for better, worse in pairwise(ORDER)
        if scores[better].reward < scores[worse].reward - slack
    ]
    top, bottom = scores["oracle"], scores["anti_oracle"]
    differ = (top.performance or 0.0) - (bottom.performance or 0.0) > slack
    if differ and abs(top.reward - bottom.reward) <= slack:
        findings.append(says_nothing(top.reward))
    if found.proxy_low < found.best_performance - 1e-4 * max(1.0, abs(found.best_performance)):
        low, high, best = tidy(found.proxy_low), tidy(found.proxy_high), tidy(found.best_performance)
        text = f"the policies with the most reward earn {scores['greedy_proxy'].reward:.6g} and perform {low:.6g}"
        text += f" to {high:.6g}" if high - low > slack else ""
        findings.append(Finding("hackable", f"{text} where {best:.6g} is possible, which pays {top.reward:.6g}"))
    notes: tuple[str, ...] = ()
    farms: tuple[Farm, ...] = ()
    if timeless is None:
        notes = ("no look for farms: what is remembered has no bound, so nothing ever comes back",)
    else:
        names = np.array(env.action_names)
        farms = tuple(
            Farm(
                tuple(names[path_to(timeless, cycle.states[0])].tolist()),
                tuple(names[list(cycle.actions)].tolist()),
                tidy(cycle.reward),
                tidy(cycle.performance),
            )
            for cycle in farmable_cycles(timeless)
        )
    findings += [farmed(farms)] if farms else []
    correlation, inverted = ranks([found.episodes], slack)
    findings += too_inverted(inverted, max_inverted)
    return Audit(
        name=env.family,
        findings=tuple(findings),
        scores=scores,
        farms=farms,
        correlation=correlation,
        inverted=inverted,
        best_performance=tidy(found.best_performance),
        proxy_performance=(tidy(found.proxy_low), tidy(found.proxy_high)),
        method="exact",
        episodes=len(found.episodes),
        notes=notes,
    )


def _table(
    env: Env, params: PyTree, reward: RewardTransform | None, level: int, max_states: int
) -> tuple[TabularMDP, TabularMDP | None]:
    """The table to solve, and the one without a clock to look for cycles in, if it is finite."""
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
    return (timeless if timeless is not None and not timed else table(())), timeless


def _policies_of(env: GymEnv) -> dict[str, Policy]:
    """Oracle and anti-oracle of a task that knows how many steps remain."""
    if "oracle_steps" not in env.core.feature_names:
        return {}
    core, params = env.core, env.params

    def worst_action(state: PyTree) -> jax.Array:
        actions = jnp.arange(core.num_actions)
        after, _ = jax.vmap(core.step, (None, 0, None))(state, actions, params)
        left = jax.vmap(lambda s: core.features(s, params)["oracle_steps"])(after)
        left = jnp.where(left < 0, jnp.iinfo(jnp.int32).max, left)
        return jnp.argmax(jnp.where(core.action_mask(state, params), left, -1))

    best, worst = jax.jit(lambda state: oracle_action(core, state, params)), jax.jit(worst_action)
    return {
        "oracle": lambda observation, info: int(best(env.state)),
        "anti_oracle": lambda observation, info: int(worst(env.state)),
    }
