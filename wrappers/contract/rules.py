"""The rules of :func:`rewardax.wrappers.check_reward`, one function each; a rule yields what is broken."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.wrappers.algebra.pointwise import Tap, Weights
from rewardax.wrappers.checkpoint import load, save
from rewardax.wrappers.config import from_config, to_config
from rewardax.wrappers.contract.binding import unbound
from rewardax.wrappers.contract.compare import first_line, same, show, tree_of, unlike
from rewardax.wrappers.contract.data import extreme, scrambled, with_padding
from rewardax.wrappers.contract.edges import counters, gaps
from rewardax.wrappers.contract.routes import RecordedEnv, begin, learn, routes, scan
from rewardax.wrappers.contract.sweeps import branches, row, swept, works_elsewhere
from rewardax.wrappers.core import Chain, Rewards, RewardTransform, State, Transition, advance, chain
from rewardax.wrappers.gym.single import RewardWrapper

LONG = 6  # times the rollout is repeated, to see where memory leads


@dataclasses.dataclass(frozen=True)
class Case:
    """A reward, data for it, and what came out of plain runs."""

    reward: RewardTransform
    rollout: Transition

    @cached_property
    def state(self) -> State:
        return begin(self.reward, jax.random.key(0), row(self.rollout, 0))

    @cached_property
    def plain(self) -> tuple[Rewards, State]:
        """Rewards of the rollout, before learn, and the memory after it."""
        return self.run(self.rollout)

    @property
    def rewards(self) -> Rewards:
        return self.plain[0]

    @property
    def after(self) -> State:
        return self.plain[1]

    @cached_property
    def padded(self) -> Transition:
        """The same episodes with padding steps between them."""
        return with_padding(self.rollout)

    @cached_property
    def steps(self) -> tuple[list[State], list[Rewards], bool]:
        """The padded rollout step by step: the memory before each step, what it gives, whether all took one program."""
        step: Any = jax.jit(lambda *arguments: advance(*arguments))  # a cache of its own
        state, before, given, programs = self.state, [], [], set()
        for number in range(len(self.padded.valid)):
            before.append(state)
            rewards, state = step(self.reward, state, self.state.episode, row(self.padded, number))
            given.append(rewards)
            programs.add(step._cache_size())
        return [*before, state], given, len(programs) == 1

    @property
    def telling(self) -> list[int]:
        """The first two steps, and the first termination, truncation and padding step with the step after each."""
        kinds = (self.padded.terminated, self.padded.truncated, ~self.padded.valid)
        found = [0, *(int(np.flatnonzero(kind.any(1))[0]) for kind in kinds if kind.any())]
        last = len(self.padded.valid) - 1
        return sorted({min(number + after, last) for number in found for after in (0, 1)})

    def run(self, rollout: Transition, state: State | None = None) -> tuple[Rewards, State]:
        return scan(self.reward, self.state if state is None else state, self.state.episode, rollout)


def sentences(reward: RewardTransform, rollout: Transition, skip: Collection[str]) -> list[str]:
    """Every broken rule. Nothing else is tried while the structure is wrong, since nothing else could run."""
    broken = [f"structure: {sentence}" for sentence in structure(reward, rollout)]
    broken = broken or [f"sweep: {sentence}" for sentence in branches(reward, rollout)]
    if broken:
        return broken
    case = Case(reward, rollout)
    for name, rule in RULES.items():
        if name not in skip and rule is not None:
            try:
                broken += [f"{name}: {sentence}" for sentence in rule(case)]
            except Exception as error:  # whatever a foreign transform raises is a finding
                broken.append(f"{name}: raised {first_line(error)}")
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
        yield f"update cannot be compiled: {first_line(error)}"
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


def books(case: Case) -> Iterator[str]:
    reward, (before, _, _) = case.reward, case.steps
    parts = reward.passes[0] if isinstance(reward, Chain) else {}
    for number in case.telling:
        transition = row(case.padded, number)
        rewards = Rewards.open(transition)
        for name, part in (parts or {"": reward}).items():
            memory = State(*(kept[name] for kept in before[number])) if parts else before[number]
            posted = rewards.components
            rewards, _ = part.update(rewards.replace(kept=(), logged=()), memory, transition)
            added = sorted(rewards.components.keys() - posted.keys())
            for component, value in posted.items():
                if component not in rewards.components:
                    yield f"{type(part).__name__} drops component {component!r}, so the total is no longer complete"
                    return
                if added and not same(value, rewards.components[component]):
                    yield f"{type(part).__name__} posts {added[0]!r} but also changes {component!r}"
                    return


def eager(case: Case) -> Iterator[str]:
    states, given, _ = case.steps
    for number in case.telling:
        rewards, after = advance(case.reward, states[number], case.state.episode, row(case.padded, number))
        yield from unlike(rewards.components, given[number].components, "uncompiled", f"compiled (step {number})")
        yield from unlike(after, states[number + 1], "memory after an uncompiled step", f"compiled (step {number})")


def wide(case: Case) -> Iterator[str]:
    """Where arrays may have 64 bits, rewards and memory still have 32, so that they fit into compiled loops."""

    def run(rollout: Transition) -> tuple[Rewards, State, State]:
        state = case.reward.init(jax.random.key(0), row(rollout, 0))
        rewards, after = scan(case.reward, state, state.episode, rollout)
        return *case.reward.learn(rewards, after, rollout), state

    with jax.enable_x64(True):
        rewards, after, state = jax.eval_shape(run, case.rollout)
    for name, value in rewards.components.items():
        if value.dtype != jnp.float32:
            yield f"under jax_enable_x64 component {name!r} is {value.dtype}, it must stay float32"
    leaves = zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(after), strict=True)
    for (path, old), new in leaves:
        if old.dtype != new.dtype:
            part = jax.tree_util.keystr(path)
            yield f"under jax_enable_x64 learn turns state{part} from {show(old)} into {show(new)}"


def loop(case: Case) -> Iterator[str]:
    expected, after = case.run(case.padded)
    states, given, one = case.steps
    stacked = jax.tree.map(lambda *x: np.stack(x), *(rewards.components for rewards in given))
    yield from unlike(stacked, expected.components, "a loop", "a scan")
    yield from unlike(states[-1], after, "memory after a loop", "after a scan")
    if not one:
        yield "a loop over equal steps compiles more than once; let init make the dtypes that update returns"


def padding(case: Case) -> Iterator[str]:
    nothing = case.rollout.replace(valid=np.zeros_like(case.rollout.valid))
    _, after = case.run(nothing, case.after)
    yield from unlike(after.shared, case.after.shared, "shared memory after padding steps only", "before", 0.0)
    some = case.padded
    other = scrambled(some, ~some.valid)
    (earned, after), (earned_other, after_other) = case.run(some), case.run(other)
    what = "what a padding row holds leaks: with other contents"
    yield from unlike(earned.components, earned_other.components, what, "with these")
    yield from unlike(after.shared, after_other.shared, f"{what} shared memory", "with these")
    if case.reward.learns:
        learned, after = learn(case.reward, earned, after, some)
        learned_other, after_other = learn(case.reward, earned_other, after_other, other)
        what = "what a padding row holds leaks into learn: with other contents"
        ours, theirs = (
            jax.tree.map(lambda x: np.where(some.valid, x, 0), r.components) for r in (learned, learned_other)
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
    learned, after = learn(case.reward, case.rewards, case.after, case.rollout)
    if case.reward.causal:
        what = "it calls itself causal, but learn"
        yield from unlike(learned.components, case.rewards.components, what, "update")
    if tree_of(after) != tree_of(case.after):
        yield "learn returns a state of another structure than update"


def company(case: Case) -> Iterator[str]:
    """Between a part that logs all its names with other numbers and one that doubles every component."""
    reward, data = case.reward, case.rollout
    if not reward.learns:
        return
    alone, memory = learn(reward, case.rewards, case.after, data)
    names = tuple(alone.metrics)

    def noise(rewards: Rewards, transition: Transition) -> dict[str, Any]:
        return {name: jnp.full_like(transition.reward, 7.0) for name in names}

    doubled = Weights(dict.fromkeys(alone.components, 2.0))
    among = chain(noise=Tap(noise), it=reward, doubled=doubled)
    state = begin(among, jax.random.key(0), row(data, 0))
    state = State(*({**column, "it": own} for column, own in zip(state, case.state, strict=True)))
    rewards, after = learn(among, *scan(among, state, state.episode, data), data)
    expected = jax.tree.map(lambda x: 2 * x, alone.components)
    what = "among others that log the same names and double its components"
    yield from unlike(rewards.components, expected, what, "alone, doubled")
    kept = State(*(column["it"] for column in after))
    yield from unlike(kept, memory, f"{what}, its memory", "alone")


def sweep(case: Case) -> Iterator[str]:
    if not jax.tree.leaves(case.reward):
        return
    rewards, working, idle = swept(case.reward, case.rollout)
    yield from unlike(rewards.components, case.rewards.components, "in a sweep", "alone")
    for path, field in idle.items():
        if field not in working and not works_elsewhere(field, case.rollout):
            yield f"{path} does nothing: with other values rewards and memory are the same"


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
        save(path, case.reward, case.after)
        reward, state = load(path, case.reward)  # given, since no file makes a user's class be imported
    rewards, resumed = scan(reward, state, case.state.episode, case.rollout)
    yield from unlike(rewards.components, expected.components, "saved and loaded", "without a break", 0.0)
    yield from unlike(resumed, after, "saved and loaded, its memory", "without a break", 0.0)


def extremes(case: Case) -> Iterator[str]:
    huge = extreme(case.rollout)
    for rollout, times, what in ((case.rollout, LONG, "ordinary inputs"), (huge, 1, "inputs of size 1e6")):
        state = case.state
        for _ in range(times):
            rewards, state = case.run(rollout, state)
            if case.reward.learns:
                rewards, state = learn(case.reward, rewards, state, rollout)
        for name, value in rewards.components.items():
            if not np.isfinite(value).all():
                yield f"component {name!r} becomes {float(value[~np.isfinite(value)][0])} for {what}"
        leaves = zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(case.state), strict=True)
        for (path, now), opened in leaves:
            if jnp.issubdtype(now.dtype, jnp.floating):
                lost = np.asarray(now)[np.isfinite(opened) & ~np.isfinite(now)]
                if lost.size:
                    yield f"state{jax.tree_util.keystr(path)} becomes {lost[0]} for {what}"


def every_route(case: Case) -> Iterator[str]:
    if not case.reward.causal:
        try:
            RewardWrapper(RecordedEnv(case.rollout, 0), case.reward)
        except ValueError:
            return
        yield "it needs hindsight, but the wrappers took it"
    else:
        alone = [1] if jax.tree.leaves(case.state.shared) else []
        for num_envs in (*alone, case.rollout.valid.shape[1]):
            rollout = jax.tree.map(lambda x: x[:, :num_envs], case.rollout)  # noqa: B023
            every = 2 * len(rollout.valid) + 1
            env = lambda n: RecordedEnv(rollout, n)  # noqa: B023, E731
            for route, earned, expected in routes(case.reward, env, rollout, rollout.action, every):
                yield from unlike(earned, expected, f"{route} with {num_envs} environment(s)", "the scan")


def names(case: Case) -> Iterator[str]:
    yield from unbound(case.reward)


RULES: dict[str, Callable[[Case], Iterator[str]] | None] = {
    "structure": None,  # always checked, first
    "books": books,
    "eager": eager,
    "wide": wide,
    "loop": loop,
    "padding": padding,
    "permutation": permutation,
    "alone": alone,
    "episodes": episodes,
    "causal": causal,
    "names": names,
    "company": company,
    "sweep": sweep,
    "config": config,
    "resume": resume,
    "extremes": extremes,
    "gaps": gaps,
    "counters": counters,
    "routes": every_route,
}
