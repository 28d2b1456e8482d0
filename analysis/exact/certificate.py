"""Certificates: whether a reward keeps the best policies of a small task, and if not, where and how much is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jaxtyping import Float, Integer

from rewardax.analysis.exact.mdp import reward_mdp
from rewardax.analysis.exact.planning import after, magnitude, policy_value, value_iteration
from rewardax.analysis.exact.sensitivity import action_gap, optimal_actions
from rewardax.base.arrays import to_arrays
from rewardax.base.errors import UserError
from rewardax.base.renamed import earlier_attribute
from rewardax.envs.core import Env, PyTree
from rewardax.envs.mdp import TabularMDP, enumerate_mdp
from rewardax.envs.offers import offer
from rewardax.wrappers.config import from_config
from rewardax.wrappers.core import RewardTransform, Transition, advance, in_hindsight
from rewardax.wrappers.requirements import attach

Floats = npt.NDArray[np.float64]
VIEWS = ("auto", "cut", "end")
SOLVED = 1e-6  # shares of the best return are solved this well


class Worst(NamedTuple):
    """The decision at which following the reward costs most."""

    text: str  #: the state in words
    path: tuple[str, ...]  #: actions that lead there from the start
    task_actions: tuple[str, ...]  #: best for the task
    reward_actions: tuple[str, ...]  #: best for the reward
    loss: float  #: task value lost from here on by following the reward


class Certificate(NamedTuple):
    """Verdict of :func:`certify` and the numbers behind it. Returns are of the task's reward, from the start."""

    invariant: bool  #: in every state the same actions are optimal for the task and for the reward
    worst: Worst | None  #: None if invariant
    regret: float  #: what the worst of the policies that the reward calls best loses
    normalized_regret: float  #: regret over (best - worst return of the task), in [0, 1]
    regret_bound: float  #: bound on normalized_regret that follows from the two rewards alone
    distance: float  #: STARC (VAL, L2, halved) between task and reward: 0 same order of policies, 1 opposite
    action_gap: float  #: smallest difference between best and second-best action of the task
    best: float
    kept: float  #: best - regret
    lowest: float
    gamma: float
    time_limit: str  #: "cut": not part of the task; "end": the task ends there
    states: int  #: pairs (task state, reward memory)

    def __getattr__(self, name: str) -> Any:
        return earlier_attribute(self, name)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and strings, for JSON; infinities become None."""
        plain = {name: None if value == float("inf") else value for name, value in self._asdict().items()}
        worst = self.worst and {k: list(v) if isinstance(v, tuple) else v for k, v in self.worst._asdict().items()}
        return {**plain, "worst": worst}


def certify(
    env: Env,
    params: PyTree,
    key: Array,
    reward: RewardTransform | Mapping[str, Any] | str,
    *,
    gamma: float = 0.99,
    time_limit: str = "auto",
    tolerance: float = 1e-5,
    max_states: int = 200_000,
) -> Certificate:
    """Solve a task with and without a reward, exactly, and compare what is optimal.

    The reward is invariant if in every pair (task state, what the reward remembers) the set of best actions is that
    of the task. The pairs are those that any behavior can reach in one episode from fresh memory; memory that a
    reward keeps per environment from episode to episode is taken as it is in the first one.

    The bound holds for every policy π that is best for the reward: with the standard forms c of STARC and
    Δ = c(task) - α·c(reward), α the ratio of their norms, J(π*) - J(π) <= max_π J_Δ - min_π J_Δ.

    Args:
        env, params, key: a task small enough to write out, and the key of its level.
        reward: a transform or its configuration.
        gamma: the learner's γ.
        time_limit: ``"cut"`` if the learner bootstraps at the time limit, which then is no part of the task (the clock
            is taken out of the state); ``"end"`` if the episode is over there for good; ``"auto"`` takes the first
            where it is possible: nothing that pays depends on the clock and the reward's memory is finite.
        tolerance: values within this of the best, relative to the largest reward (of the task or of ``reward``, whose
            own best it is), are ties: rewards are float32. The unit of a reward does not matter.
        max_states: give up beyond this many pairs.

    Raises:
        UserError: for rewards that need hindsight, that change from episode to episode while training (wrap them in
            ``Freeze`` to certify them as they stand), for tasks or memories too large, and for γ = 1 where some cycle
            pays for ever.

    >>> from rewardax.envs import level_key, make
    >>> from rewardax.wrappers import EventBonus, Potential
    >>> task = *make("KeyFarm"), level_key("train", 0)
    >>> certify(*task, Potential()).invariant
    True
    >>> found = certify(*task, EventBonus(scale=0.1))
    >>> found.invariant, round(found.normalized_regret, 3), found.worst.path[-1], found.worst.task_actions
    (False, 1.0, 'right', ('right',))
    """
    if time_limit not in VIEWS:
        raise UserError(f"time_limit is one of {', '.join(VIEWS)}, not {time_limit!r}")
    transform = attach(from_config(reward), env, where=env.family)
    refuse_run_long_memory(env, params, key, transform)
    view, task, mdp = _tables(env, params, key, transform, time_limit, max_states)
    row = _rows_of(mdp.states.task, task.states, mdp.over, task.over)
    earned, alive = task.reward[row], ~mdp.over
    solved = value_iteration(task, gamma)
    truth, wanted = solved.action_value[row], value_iteration(mdp, gamma).action_value
    unit = magnitude(task.reward)
    best_of_task, best_of_reward = (
        alive[:, None] & optimal_actions(q, tolerance, magnitude(r))
        for q, r in zip((truth, wanted), (task.reward, mdp.reward), strict=True)
    )
    wrong = (best_of_task != best_of_reward).any(1)
    obeyed = -value_iteration(mdp, gamma, reward=np.where(best_of_reward | ~alive[:, None], -earned, -np.inf)).value
    loss = solved.value[row] - obeyed
    best = float(solved.value[row[0]])
    kept = min(float(obeyed[0]), best)
    lowest = -float(value_iteration(task, gamma, reward=-task.reward).value[row[0]])
    distance, bound, near = _distance_and_bound(mdp, earned, gamma)
    share, limit = (_share(part, best - lowest, unit) for part in (best - kept, bound))
    # policies that only tie with the best, by the tolerance, may lose more than the best ones
    slack = SOLVED + _share(tolerance * near / max(1.0 - gamma, SOLVED), best - lowest, unit)
    if share > limit + slack:
        raise AssertionError(
            f"a regret of {share:.6g} above its bound {limit:.6g}: the two tables contradict each other"
        )
    worst = None
    if wrong.any():
        at = int(np.argmax(np.where(wrong, np.round(loss / unit, 9), -np.inf)))
        names = np.array(env.action_names)
        worst = Worst(
            text=env.text(jax.tree.map(lambda x: jnp.asarray(x[at]), mdp.states.task), params),
            path=tuple(names[path_to(mdp, at)].tolist()),
            task_actions=tuple(names[best_of_task[at]].tolist()),
            reward_actions=tuple(names[best_of_reward[at]].tolist()),
            loss=float(loss[at]),
        )
    return Certificate(
        invariant=not wrong.any(),
        worst=worst,
        regret=best - kept,
        normalized_regret=share,
        regret_bound=max(limit, share) if share <= limit + SOLVED else limit,
        distance=distance,
        action_gap=action_gap(truth, tolerance, alive, unit),
        best=best,
        kept=kept,
        lowest=lowest,
        gamma=gamma,
        time_limit=view,
        states=len(mdp.over),
    )


def normalized_regret(
    mdp: TabularMDP,
    policy: Integer[np.ndarray, " S"] | Float[np.ndarray, "S A"],
    gamma: float,
    *,
    start: npt.ArrayLike | None = None,
) -> float:
    """(J* - J(π))/(J* - J_worst) under ``mdp.reward``: 0 for the best policy, 1 for the worst; 0 if all are equal.

    Args:
        policy: actions or probabilities.
        start: weights f[S] of the first states; default state 0.
    """
    weights = np.eye(len(mdp.over))[0] if start is None else np.asarray(start, np.float64)
    best, worst = (sign * weights @ value_iteration(mdp, gamma, reward=sign * mdp.reward).value for sign in (1.0, -1.0))
    return _share(best - weights @ policy_value(mdp, policy, gamma), best - worst, magnitude(mdp.reward))


def advantage(mdp: TabularMDP, reward: npt.ArrayLike, gamma: float) -> Float[Floats, "S A"]:
    """The VAL form of a reward f64[S, A] on a table, R - V(s) + γ·E V(s'), V of the uniform policy.

    As ``val_canonical``, without matrices, so that large tables can be compared.
    """
    earned = np.asarray(reward, np.float64)
    value = policy_value(mdp, np.full(earned.shape, 1.0 / earned.shape[1]), gamma, reward=earned)
    return np.where(mdp.over[:, None], 0.0, earned - value[:, None] + gamma * after(mdp, value))


def _distance_and_bound(mdp: TabularMDP, earned: Float[Floats, "S A"], gamma: float) -> tuple[float, float, float]:
    """STARC distance, the bound on the regret, and the size of the reward in the task's unit."""
    forms = [advantage(mdp, reward, gamma) for reward in (earned, mdp.reward)]
    scales = [1e-6 * magnitude(reward) for reward in (earned, mdp.reward)]
    sizes = [float(np.linalg.norm(form)) for form in forms]
    parts = [
        form / size if size > scale else 0.0 * form for form, size, scale in zip(forms, sizes, scales, strict=True)
    ]
    rest = forms[0] - sizes[0] * parts[1]
    span = sum(float(value_iteration(mdp, gamma, reward=sign * rest).value[0]) for sign in (1.0, -1.0))
    near = magnitude(mdp.reward) * sizes[0] / sizes[1] if sizes[1] > scales[1] else 0.0
    return float(np.linalg.norm(parts[0] - parts[1]) / 2), span, near


def _tables(
    env: Env, params: PyTree, key: Array, reward: RewardTransform, time_limit: str, max_states: int
) -> tuple[str, TabularMDP, TabularMDP]:
    if time_limit != "end":
        task = enumerate_mdp(env, params, key, forget=("t",), max_states=max_states)
        timed = depends_on_clock(env, params, task, reward.requires)
        if timed and time_limit == "cut":
            raise UserError(f"{env.family} pays by the clock, so its time limit is part of the task: time_limit='end'")
        limit = min(max_states, 50 * len(task.over) + 1000) if time_limit == "auto" else max_states
        if not timed:
            try:
                return "cut", task, reward_mdp(env, params, key, reward, forget=("t",), max_states=limit)
            except ValueError as error:
                if time_limit == "cut" or "more than" not in str(error):
                    raise
    task = enumerate_mdp(env, params, key, max_states=max_states)
    try:
        return "end", task, reward_mdp(env, params, key, reward, max_states=max_states)
    except ValueError as error:
        if "more than" not in str(error):
            raise
        raise UserError(
            f"the reward remembers more than {max_states} different things in an episode of {env.family} with "
            f"{env.horizon(params)} steps; certify it on a shorter horizon"
        ) from None


def depends_on_clock(env: Env, params: PyTree, task: TabularMDP, names: tuple[str, ...]) -> bool:
    """Whether payment, true score or the features that a reward reads change with the number of steps taken."""

    def facts(state: PyTree, action: Array, t: Array) -> PyTree:
        chance, new, step = env.outcomes(env.at_time(state, t), action, params)
        seen = jax.vmap(lambda s: offer(env, s, params, names))(new)
        return chance, step.reward, step.performance, step.terminated, seen

    table = jax.jit(jax.vmap(jax.vmap(facts, (None, 0, None)), (0, None, None)))
    alive = jax.tree.map(lambda x: x[~task.over], task.states)
    early, late = (
        jax.tree.leaves(table(alive, jnp.arange(env.num_actions), jnp.int32(t)))
        for t in (0, max(env.horizon(params) // 2, 1))
    )
    return not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(early, late, strict=True))


def refuse_run_long_memory(env: Env, params: PyTree, key: Array, reward: RewardTransform) -> None:
    """Raise ``UserError`` if one step from the start changes what the reward remembers for the whole run."""
    if not reward.causal:
        raise UserError(
            f"{in_hindsight(reward)} needs hindsight: what a step pays depends on what comes after it, so no table of "
            "steps shows it and it cannot be certified"
        )

    looked = jax.vmap(lambda s: offer(env, s, params, reward.requires))

    def step() -> tuple[PyTree, PyTree]:
        start, actions = env.reset(key, params), jnp.arange(env.num_actions)
        new, made = jax.vmap(env.step, (None, 0, None))(start, actions, params)
        rows = jax.tree.map(lambda x: jnp.broadcast_to(x, (env.num_actions, *x.shape)), start)
        transition = Transition(
            observation=jax.vmap(env.observe, (0, None))(rows, params),
            action=actions,
            next_observation=jax.vmap(env.observe, (0, None))(new, params),
            reward=made.reward.astype(jnp.float32),
            terminated=made.terminated,
            truncated=made.truncated & ~made.terminated,
            first=jnp.ones(env.num_actions, bool),
            valid=jnp.ones(env.num_actions, bool),
            features=looked(rows),
            next_features=looked(new),
        )
        state = reward.init(jax.random.key(0), transition)
        return state.shared, advance(reward, state, state.episode, transition)[1].shared

    before, later = (jax.tree.leaves(x) for x in jax.jit(step)())
    if not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(before, later, strict=True)):
        raise UserError(
            f"{type(reward).__name__} changes while training (it remembers for the whole run), so there is no one "
            "reward to certify; wrap what changes in Freeze to certify it as it stands"
        )


def _rows_of(wanted: PyTree, table: PyTree, over_wanted: np.ndarray, over_table: np.ndarray) -> np.ndarray:
    """i[S']: where each wanted state stands in the table."""

    def rows(states: PyTree, over: np.ndarray) -> np.ndarray:
        flat = [np.ascontiguousarray(np.asarray(x).reshape(len(over), -1)).view(np.uint8) for x in to_arrays(states)]
        return np.concatenate([*flat, over[:, None].view(np.uint8)], 1)

    index = {row.tobytes(): i for i, row in enumerate(rows(table, over_table))}
    return np.array([index[row.tobytes()] for row in rows(wanted, over_wanted)])


def path_to(mdp: TabularMDP, target: int) -> list[int]:
    """Actions of a shortest way from the start, luck permitting."""
    came: dict[int, tuple[int, int]] = {0: (-1, -1)}
    queue = deque([0])
    while queue and target not in came:
        state = queue.popleft()
        for action, new in zip(*np.nonzero(mdp.chance[state] > 0), strict=True):
            found = int(mdp.successor[state, action, new])
            if found not in came:
                came[found] = (state, int(action))
                queue.append(found)
    actions: list[int] = []
    while target != 0:
        target, action = came[target]
        actions.insert(0, action)
    return actions


def _share(part: float, whole: float, unit: float) -> float:
    return float(np.clip(part / whole, 0.0, 1.0)) if whole > 1e-9 * unit else 0.0
