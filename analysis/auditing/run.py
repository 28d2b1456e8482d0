"""``audit``: whether a reward orders policies as it should, before anyone trains with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp

from rewardax.analysis.auditing.episodes import PLAIN, Performance, Player, Policy, layers
from rewardax.analysis.auditing.played import in_words, played
from rewardax.analysis.auditing.report import Audit, farmed
from rewardax.analysis.auditing.solved import Asked, action_names, cycles_of, own_table, solved
from rewardax.analysis.auditing.tables import Table, foreign_table
from rewardax.base.errors import UserError, as_user_error
from rewardax.envs.core import Env, PyTree
from rewardax.envs.gym.single import GymEnv
from rewardax.envs.oracle import oracle_action
from rewardax.envs.registry import PRESETS, make, task_id
from rewardax.wrappers.config import from_config
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.gym.single import RewardWrapper

METHODS = ("auto", "exact", "played")


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
    gamma: float = 1.0,
    effort: int = 30_000,
    **env_kwargs: Any,
) -> Audit:
    """Look for what is wrong with the reward of a task: wrong order, wrong sign, hacks, farms.

    Small tasks are solved exactly on one level: tasks of ours; environments with Gymnasium's table ``P``; and foreign
    environments without chance that ``get_state`` and ``set_state``, or deep copies, take from state to state. Theirs
    are the policies that are best (``oracle``), worst (``anti_oracle``) and random in the hidden performance, and the
    ones that earn most reward (``greedy_proxy``). All else is played: larger tasks of ours with their oracle, other
    Gymnasium environments with the ``policies`` that are given, graders of text with answers that are known to fool
    them, and, on the first level, a search over all sequences of up to three actions, the same repeated, and the
    oracle's episode with one action changed. Found wrong are

    - ``number``: a reward that is no finite number, or a step that raises;
    - ``order``: not oracle >= random >= anti-oracle in mean reward;
    - ``silent``: the oracle earns no more than the anti-oracle, or everything earns the same;
    - ``hackable``: some who earn most, or as much as the oracle, do worse in truth than is possible;
    - ``farm``: a cycle that earns reward without true performance (exact audits only; a warning where no performance
      is known);
    - ``trap`` (a warning; played audits only): an episode shorter than the oracle's is paid in part for what is worth
      less, so that learners with a discount below the stated one prefer it;
    - ``inverted`` (a warning): of more than ``max_inverted`` of all pairs of episodes on one level the truly better one
      earns less.

    Where there is nothing to compare, no true performance and no policy but a random one, the verdict is
    ``"untested"``, which is not passed.

    Args:
        env: id of a task (ours or any Gymnasium id), a functional :class:`rewardax.envs.Env`, or a Gymnasium
            environment.
        reward: audit the task under this transform, or its configuration.
        policies: name -> ``policy(observation, info) -> action``; ``oracle`` and ``anti_oracle`` are put in order,
            every other one is compared with the best. Makes the audit a played one.
        performance: of Gymnasium environments the key of ``info`` that holds each step's true score, or a function of
            ``info``; where the key is missing ``info["success"]`` counts at the end.
        method: ``"exact"``, ``"played"``, or ``"auto"``: exact where possible.
        level: training level (for foreign environments, seed of ``reset``) that is solved.
        levels: levels that are played, seeds ``seed, seed + 1, ...``.
        max_inverted: allowed share of inverted pairs; rewards that are noisy by design need more.
        max_states: largest table of an exact audit of ours.
        seed: of all that is drawn.
        gamma: γ in (0, 1], the learner's: rewards are discounted, performance is not. 1 audits plain totals.
        effort: steps that each part of the search on the first played level may take; 0 is no search.
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
        UserError: for a task that is too large or too random when ``method="exact"``, for an unknown method, for
            ``gamma`` outside (0, 1] and for ``levels`` below 1.
    """
    if method not in METHODS:
        raise UserError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    if not 0.0 < gamma <= 1.0:
        raise UserError(f"gamma must be in (0, 1], got {gamma}")
    if levels < 1:
        raise UserError(f"levels must be at least 1, got {levels}")
    if isinstance(env, str) and (env.startswith("rewardax/") or env in PRESETS or env not in gym.registry):
        env = task_id(env)
    transform = None if reward is None else from_config(reward)
    core, params, inside = _core(env, env_kwargs)
    world = _world(env, env_kwargs) if core is None else env if isinstance(env, gym.Env) else None
    asked = Asked(level=level, max_inverted=max_inverted, gamma=gamma, seed=seed)
    why = "policies were given" if policies else ""
    if method == "exact" and why:
        raise UserError(f"{why}, so the audit cannot be exact; leave method='auto'")
    if method != "played" and not why:
        try:
            if core is not None and (inside is None or transform is None):
                return _solve_own(core, params, inside or transform, max_states, asked)
            return _solve_foreign(env, world, transform, performance, asked)
        except ValueError as error:
            if method == "exact":
                raise
            why = str(error)
    world = GymEnv(env, **env_kwargs) if world is None else world
    known = _policies_of(world.unwrapped) if isinstance(world.unwrapped, GymEnv) else {}
    found = played(
        _name(env, world),
        Player(world if transform is None else RewardWrapper(world, transform), performance, gamma),
        {**known, **(policies or {})},
        levels=levels,
        seed=seed,
        max_inverted=max_inverted,
        effort=effort,
        notes=(f"played: {why}",) if why else (),
    )
    if policies and core is None and method == "auto":
        return _with_farms(found, world, transform, performance, level)
    return found


def _core(env: Any, env_kwargs: dict[str, Any]) -> tuple[Env | None, PyTree, RewardTransform | None]:
    """The functional core of a task of ours, its numbers, and a reward around it, if nothing else is around it."""
    if isinstance(env, Env) or (isinstance(env, str) and env in PRESETS):
        return *make(env, **env_kwargs), None
    if isinstance(env, gym.Env) and isinstance(env.unwrapped, GymEnv):
        around = [layer for layer in layers(env)[:-1] if type(layer) not in PLAIN]
        if all(isinstance(layer, RewardWrapper) for layer in around) and len(around) <= 1:
            return env.unwrapped.core, env.unwrapped.params, around[0].reward if around else None  # type: ignore[attr-defined]
    return None, None, None


def _world(env: Any, env_kwargs: dict[str, Any]) -> gym.Env:
    if not isinstance(env, str):
        return env
    with as_user_error(f"Gymnasium cannot make {env!r} with {env_kwargs}", gym.error.Error, TypeError):
        return gym.make(env, **env_kwargs)


def _name(env: Any, world: Any) -> str:
    if isinstance(env, str):
        return env
    inner = world.unwrapped
    return inner.core.family if isinstance(inner, GymEnv) else str(getattr(world.spec, "id", type(world).__name__))


def _solve_own(env: Env, params: PyTree, reward: RewardTransform | None, max_states: int, asked: Asked) -> Audit:
    table = own_table(env, params, reward, asked.level, max_states)
    found = solved(env.family, table, env.action_names, asked)
    if found.hack is None or not hasattr(env, "render_action"):
        return found
    speaker = GymEnv(env)
    speaker.params = params
    said = in_words(speaker, asked.level, found.hack.actions)
    return found._replace(hack=found.hack._replace(names=said))


def _solve_foreign(
    env: Any, world: Any, reward: RewardTransform | None, performance: Performance, asked: Asked
) -> Audit:
    table = _foreign_table(world, reward, performance, asked.level)
    first = int(world.action_space.start)
    return solved(_name(env, world), table, action_names(world.action_space), asked, first=first)


def _foreign_table(world: Any, reward: RewardTransform | None, performance: Performance, level: int) -> Table:
    try:
        if reward is not None:
            raise UserError("there is a reward around it")
        return foreign_table(world, performance, level)
    except UserError as error:
        text = "only tasks of ours and small foreign ones without chance can be solved exactly"
        raise UserError(f"{text}; of {_name(world, world)}: {error}") from error


def _with_farms(
    found: Audit, world: Any, reward: RewardTransform | None, performance: Performance, level: int
) -> Audit:
    """Added to a played audit: cycles of a foreign environment, if it can be written out."""
    try:
        table = _foreign_table(world, reward, performance, level)
    except UserError:
        return found
    farms = cycles_of(table, action_names(world.action_space))
    findings = (farmed(farms, table.known),) if farms else ()
    return found._replace(farms=farms, findings=(*found.findings, *findings), tested=found.tested or bool(farms))


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
