"""The rules of :func:`rewardax.wrappers.check_reward`, one function each; a rule yields what is broken."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import is_key
from rewardax.wrappers.checkpoint import load, save
from rewardax.wrappers.config import from_config, to_config
from rewardax.wrappers.contract.data import extreme, scrambled, with_padding
from rewardax.wrappers.contract.routes import RecordedEnv, learn, routes, scan
from rewardax.wrappers.core import Chain, PyTree, Rewards, RewardTransform, State, Transition, advance
from rewardax.wrappers.gym.single import RewardWrapper

TOLERANCE = 1e-4
EAGER_STEPS = 3


class Case(NamedTuple):
    """A reward, data for it, and what came out of a plain run."""

    reward: RewardTransform
    rollout: Transition
    state: State
    rewards: Rewards  # of the rollout, before learn
    after: State

    def run(self, rollout: Transition, state: State | None = None) -> tuple[Rewards, State]:
        return scan(self.reward, self.state if state is None else state, self.state.episode, rollout)


def sentences(reward: RewardTransform, rollout: Transition, skip: Collection[str]) -> list[str]:
    """Every broken rule. Nothing else is tried while the structure is wrong, since nothing else could run."""
    broken = [f"structure: {sentence}" for sentence in structure(reward, rollout)]
    broken = broken or [f"sweep: {sentence}" for sentence in branches(reward, rollout)]
    if broken:
        return broken
    state = jax.jit(reward.init)(jax.random.key(0), row(rollout, 0))
    case = Case(reward, rollout, state, *scan(reward, state, state.episode, rollout))
    for name, rule in RULES.items():
        if name not in skip and rule is not None:
            try:
                broken += [f"{name}: {sentence}" for sentence in rule(case)]
            except Exception as error:  # whatever a foreign transform raises is a finding
                broken.append(f"{name}: raised {type(error).__name__}: {str(error).splitlines()[0]}")
    return broken


def structure(reward: RewardTransform, rollout: Transition) -> Iterator[str]:
    """Shapes and dtypes, found by tracing alone."""
    example = row(rollout, 0)
    needed = {name: example.features[name] for name in reward.requires}
    behind = {name: example.next_features[name] for name in reward.requires}
    lean = example.replace(features=needed, next_features=behind)
    try:
        state = jax.eval_shape(reward.init, jax.random.key(0), lean)
        if not isinstance(state, State):
            yield f"init returns {type(state).__name__}, not State(episode, env, shared)"
            return
        rewards, after = jax.eval_shape(lambda s, t: reward.update(Rewards.open(t), s, t), state, lean)
    except KeyError as error:
        yield f"it reads {error}, which is not named in `requires` ({reward.requires})"
        return
    except Exception as error:
        yield f"update cannot be compiled: {type(error).__name__}: {str(error).splitlines()[0]}"
        return
    num_envs = rollout.valid.shape[1]
    for name, value in rewards.components.items():
        if value.shape != (num_envs,) or not jnp.issubdtype(value.dtype, jnp.floating):
            yield f"component {name!r} is {value.dtype}{list(value.shape)}, it must be one float per environment"
    for kind in ("episode", "env"):
        for path, leaf in jax.tree_util.tree_leaves_with_path(getattr(state, kind)):
            if leaf.shape[:1] != (num_envs,):
                yield f"state.{kind}{jax.tree_util.keystr(path)} has no leading axis for the environments"
    if tree_of(state) != tree_of(after):
        yield "update returns a state of another structure than init"
        return
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(after), strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            yield f"update turns state{jax.tree_util.keystr(path)} from {show(old)} into {show(new)}"


def branches(reward: RewardTransform, rollout: Transition) -> Iterator[str]:
    """Numbers that cannot be traced, because Python decides on them."""
    example = row(rollout, 0)
    leaves, tree = jax.tree_util.tree_flatten_with_path(reward)
    for number, (path, value) in enumerate(leaves):

        def update(x: Array, example: Transition) -> Rewards:
            numbers = [x if number == k else leaf for k, (_, leaf) in enumerate(leaves)]  # noqa: B023
            traced = jax.tree.unflatten(tree, numbers)
            state = traced.init(jax.random.key(0), example)
            return traced.update(Rewards.open(example), state, example)[0]

        try:
            jax.eval_shape(update, jnp.asarray(value), example)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            kind = type(error).__name__
            yield f"{jax.tree_util.keystr(path)} cannot be swept ({kind}); make it static or use jnp.where"


def books(case: Case) -> Iterator[str]:
    parts = case.reward.parts if isinstance(case.reward, Chain) else (case.reward,)
    states = [part.init(jax.random.key(0), row(case.rollout, 0)) for part in parts]
    update = [jax.jit(part.update) for part in parts]
    for number in range(EAGER_STEPS):
        transition = row(case.rollout, number)
        rewards = Rewards.open(transition)
        for i, part in enumerate(parts):
            before = rewards.components
            rewards, states[i] = update[i](rewards, states[i], transition)
            added = sorted(rewards.components.keys() - before.keys())
            for name, value in before.items():
                if name not in rewards.components:
                    yield f"{type(part).__name__} drops component {name!r}, so the total is no longer complete"
                    return
                if added and not same(value, rewards.components[name]):
                    yield f"{type(part).__name__} posts {added[0]!r} but also changes {name!r}"
                    return


def eager(case: Case) -> Iterator[str]:
    state = case.state
    for number in range(EAGER_STEPS):
        rewards, state = advance(case.reward, state, case.state.episode, row(case.rollout, number))
        yield from unlike(rewards.components, row(case.rewards.components, number), "uncompiled", "compiled")


def loop(case: Case) -> Iterator[str]:
    step: Any = jax.jit(advance)
    state, earned, compiled = case.state, [], []
    for number in range(len(case.rollout.valid)):
        rewards, state = step(case.reward, state, case.state.episode, row(case.rollout, number))
        earned.append(rewards.components)
        compiled.append(step._cache_size())
    yield from unlike(jax.tree.map(lambda *x: np.stack(x), *earned), case.rewards.components, "a loop", "a scan")
    if compiled[-1] > compiled[0]:
        yield "a loop over equal steps compiles more than once; let init make the dtypes that update returns"


def padding(case: Case) -> Iterator[str]:
    nothing = case.rollout.replace(valid=np.zeros_like(case.rollout.valid))
    _, after = case.run(nothing, case.after)
    yield from unlike(after.shared, case.after.shared, "shared memory after padding steps only", "before", 0.0)
    some = with_padding(case.rollout)
    other = scrambled(some, ~some.valid)
    (earned, after), (earned_other, after_other) = case.run(some), case.run(other)
    what = "what a padding row holds leaks: with other contents"
    yield from unlike(earned.components, earned_other.components, what, "with these")
    yield from unlike(after.shared, after_other.shared, f"{what} shared memory", "with these")
    if case.reward.learns:
        learnt, after = learn(case.reward, earned, after, some)
        learnt_other, after_other = learn(case.reward, earned_other, after_other, other)
        what = "what a padding row holds leaks into learn: with other contents"
        ours, theirs = (
            jax.tree.map(lambda x: np.where(some.valid, x, 0), r.components) for r in (learnt, learnt_other)
        )
        yield from unlike(ours, theirs, what, "with these")
        yield from unlike(after.shared, after_other.shared, f"{what} shared memory", "with these")


def permutation(case: Case) -> Iterator[str]:
    order = np.roll(np.arange(case.rollout.valid.shape[1]), 1)
    own = State(case.state.episode, case.state.env)
    state = jax.tree.map(lambda x: x[order], own)._replace(shared=case.state.shared)
    rollout = jax.tree.map(lambda x: x[:, order], case.rollout)
    rewards, after = scan(case.reward, state, state.episode, rollout)
    expected = jax.tree.map(lambda x: x[:, order], case.rewards.components)
    yield from unlike(rewards.components, expected, "with the environments in another order", "in this order")
    yield from unlike(after.shared, case.after.shared, "shared memory in another order", "in this order")


def alone(case: Case) -> Iterator[str]:
    if jax.tree.leaves(case.state.shared):
        return
    state = jax.tree.map(lambda x: x[:1], case.state)
    rollout = jax.tree.map(lambda x: x[:, :1], case.rollout)
    rewards, _ = scan(case.reward, state, state.episode, rollout)
    expected = jax.tree.map(lambda x: x[:, :1], case.rewards.components)
    yield from unlike(rewards.components, expected, "one environment alone", "among others")


def episodes(case: Case) -> Iterator[str]:
    if jax.tree.leaves(tuple(case.state[1:])):
        return
    ended = np.cumsum(case.rollout.terminated | case.rollout.truncated, axis=0)
    initial = np.concatenate([np.zeros_like(ended[:1]), ended[:-1]]) == 0
    rewards, _ = case.run(scrambled(case.rollout, initial))
    ours, theirs = (jax.tree.map(lambda x: np.where(initial, 0, x), r.components) for r in (rewards, case.rewards))
    yield from unlike(ours, theirs, "an episode after another first episode", "after this one")


def causal(case: Case) -> Iterator[str]:
    if not case.reward.learns:
        return
    learnt, after = learn(case.reward, case.rewards, case.after, case.rollout)
    if case.reward.causal:
        what = "it calls itself causal, but learn"
        yield from unlike(learnt.components, case.rewards.components, what, "update")
    if tree_of(after) != tree_of(case.after):
        yield "learn returns a state of another structure than update"


def sweep(case: Case) -> Iterator[str]:
    numbers, tree = jax.tree.flatten(case.reward)
    leaves = [jnp.asarray(x) for x in numbers]
    if not leaves:
        return

    def run(*numbers: Array) -> dict[str, Array]:
        reward = jax.tree.unflatten(tree, numbers)
        state = reward.init(jax.random.key(0), row(case.rollout, 0))
        rewards, state = scan(reward, state, state.episode, case.rollout)
        reward.learn(rewards, state, case.rollout)
        return rewards.components

    def nudged(i: int) -> list[Array]:
        return [nudge(x) if i == k else x for k, x in enumerate(leaves)]

    settings = [leaves, *(nudged(i) for i in range(len(leaves)))]
    swept = jax.vmap(run)(*(jnp.stack(column) for column in zip(*settings, strict=True)))
    yield from unlike(row(swept, 0), case.rewards.components, "in a sweep", "alone")


def config(case: Case) -> Iterator[str]:
    document = to_config(case.reward)
    built = from_config(json.loads(json.dumps(document)))
    if tree_of(built) != tree_of(case.reward):
        yield "its configuration builds a transform of another structure"
    elif not all(map(same, jax.tree.leaves(built), jax.tree.leaves(case.reward))):
        yield "its configuration builds a transform with other numbers"
    elif to_config(built) != document:
        yield "the configuration of what its configuration builds is another one"


def resume(case: Case) -> Iterator[str]:
    expected, after = case.run(case.rollout, case.after)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reward.npz"
        save(path, case.reward, case.after, row(case.rollout, 0))
        reward, state = load(path)
    rewards, resumed = scan(reward, state, case.state.episode, case.rollout)
    yield from unlike(rewards.components, expected.components, "saved and loaded", "without a break", 0.0)
    yield from unlike(resumed, after, "saved and loaded, its memory", "without a break", 0.0)


def extremes(case: Case) -> Iterator[str]:
    rollout = extreme(case.rollout)
    rewards, after = case.run(rollout)
    if case.reward.learns:
        rewards, _ = learn(case.reward, rewards, after, rollout)
    for name, value in rewards.components.items():
        if not np.isfinite(value).all():
            yield f"component {name!r} becomes {float(value[~np.isfinite(value)][0])} for inputs of size 1e6"


def every_route(case: Case) -> Iterator[str]:
    if not case.reward.causal:
        try:
            RewardWrapper(RecordedEnv(case.rollout, 0), case.reward)
        except ValueError:
            return
        yield "it needs hindsight, but the wrappers took it"
    else:
        for num_envs in (1, case.rollout.valid.shape[1]):
            rollout = jax.tree.map(lambda x: x[:, :num_envs], case.rollout)  # noqa: B023
            every = 2 * len(rollout.valid) + 1
            env = lambda n: RecordedEnv(rollout, n)  # noqa: B023, E731
            for route, earned, expected in routes(case.reward, env, rollout, rollout.action, every):
                yield from unlike(earned, expected, f"{route} with {num_envs} environment(s)", "the scan")


RULES: dict[str, Callable[[Case], Iterator[str]] | None] = {
    "structure": None,  # always checked, first
    "books": books,
    "eager": eager,
    "loop": loop,
    "padding": padding,
    "permutation": permutation,
    "alone": alone,
    "episodes": episodes,
    "causal": causal,
    "sweep": sweep,
    "config": config,
    "resume": resume,
    "extremes": extremes,
    "routes": every_route,
}


def tree_of(value: PyTree) -> Any:
    """The structure of a pytree, static fields included."""
    return jax.tree.structure(value)


def row(tree: PyTree, number: int) -> PyTree:
    """Step ``number`` of a rollout."""
    return jax.tree.map(lambda x: x[number], tree)


def nudge(x: Array) -> Array:
    """Another value near ``x``."""
    return x * 1.25 + 0.25 if jnp.issubdtype(x.dtype, jnp.floating) else x


def show(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}"


def same(a: Any, b: Any, tolerance: float = 1e-6) -> bool:
    """Equal up to ``tolerance``, keys and NaN included."""
    a, b = (jax.random.key_data(x) if is_key(x) else x for x in (a, b))
    return bool(np.allclose(np.asarray(a), np.asarray(b), tolerance, tolerance, equal_nan=True))


def unlike(ours: PyTree, theirs: PyTree, where: str, elsewhere: str, tolerance: float = TOLERANCE) -> Iterator[str]:
    """One sentence for the first leaf that differs. Random keys may move on."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True)
    for (path, a), b in pairs:
        if not is_key(a) and not same(a, b, tolerance):
            a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
            index = np.unravel_index(np.argmax(~np.isclose(a, b, tolerance, tolerance, equal_nan=True)), a.shape)
            yield f"{where} gives {jax.tree_util.keystr(path)} = {a[index]:.6g}, {elsewhere} {b[index]:.6g}"
            return
