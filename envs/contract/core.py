"""Rules about the functional core of a task, each a generator of sentences about what is broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import env_where, to_arrays
from rewardax.envs.core import Env, PyTree
from rewardax.envs.levels import branch, dynamics_key, reset_group, reset_level

COUNT, STEPS = 16, 48
HIDDEN = "performance"


class Programs:
    """Compiled functions of a core, its params an argument, so that all difficulties of a family share them."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.step = jax.jit(env.step)
        self.reset = jax.jit(lambda level, params: reset_level(env, params, level))
        self.seen = jax.jit(self.view)
        self.walk = jax.jit(self._walk)
        self.look_ahead = jax.jit(self._look_ahead)
        self.groups = jax.jit(self._groups)

    def view(self, state: PyTree, params: PyTree) -> dict[str, Any]:
        """Everything the task says about a state."""
        return {
            "observation": self.env.observe(state, params),
            "features": self.env.features(state, params),
            "mask": self.env.action_mask(state, params),
        }

    def _walk(self, levels: Array, key: Array, params: PyTree) -> dict[str, Any]:
        """Random actions on levels i32[n]: mostly admissible, one in eight any."""
        starts = jax.vmap(lambda level: reset_level(self.env, params, level))(levels)

        def body(carry: tuple[PyTree, Array, Array], key: Array) -> tuple[Any, dict[str, Any]]:
            state, mask, over = carry
            wild_key, action_key = jax.random.split(key)
            wild = jax.random.bernoulli(wild_key, 0.125, over.shape)
            action = jax.random.categorical(action_key, jnp.where(mask | wild[:, None], 0.0, -1e9))
            new, step = jax.vmap(self.env.step, (0, 0, None))(state, action, params)
            new = env_where(over, state, new)
            seen = jax.vmap(self.view, (0, None))(new, params)
            record: dict[str, Any] = {"action": action, "allowed": jnp.take_along_axis(mask, action[:, None], 1)[:, 0]}
            record |= {"step": step, "over": over, "state": to_arrays(new), **seen}
            return (new, seen["mask"], over | step.terminated | step.truncated), record

        mask = jax.vmap(self.env.action_mask, (0, None))(starts, params)
        return jax.lax.scan(body, (starts, mask, jnp.zeros(levels.shape, bool)), jax.random.split(key, STEPS))[1]

    def _look_ahead(self, state: PyTree, params: PyTree) -> tuple[PyTree, Array]:
        """The successor with fewest steps to go, and whether it is a success."""
        actions = jnp.arange(self.env.num_actions)
        new, _ = jax.vmap(self.env.step, (None, 0, None))(state, actions, params)
        features = jax.vmap(self.env.features, (0, None))(new, params)
        left = jnp.where(features["success"], 0, features["oracle_steps"])
        best = jnp.argmin(jnp.where(left < 0, jnp.iinfo(jnp.int32).max, left))
        return jax.tree.map(lambda x: x[best], new), features["success"][best]

    def _groups(self, levels: Array, params: PyTree) -> tuple[Array, tuple[Array, ...]]:
        """State hashes of groups of two, and two branches of one state with the same future."""
        states = reset_group(self.env, params, levels, 2)
        hashes = jax.vmap(self.env.features, (0, None))(states, params)["state_hash"]
        rows = branch(jax.tree.map(lambda x: x[0], states), 2)
        return hashes, to_arrays(jax.vmap(self.env.rekey, (0, None))(rows, dynamics_key(5)))


programs = lru_cache(maxsize=64)(Programs)


class Subject:
    """A task, and a random walk through it recorded as ``[STEPS, count]``, frozen where an episode is over."""

    def __init__(self, env: Env, params: PyTree, count: int = COUNT) -> None:
        self.env, self.params, self.count = env, params, count

    @cached_property
    def run(self) -> Programs:
        return programs(self.env)

    @cached_property
    def start(self) -> PyTree:
        return self.run.reset(0, self.params)

    @cached_property
    def walk(self) -> dict[str, Any]:
        return self.walked()

    def walked(self) -> dict[str, Any]:
        """The walk, made anew."""
        return jax.device_get(self.run.walk(jnp.arange(self.count), jax.random.key(0), self.params))


def declarations(subject: Subject) -> Iterator[str]:
    """What is promised is there, with the promised shapes."""
    env = subject.env
    try:
        hash(env)
    except TypeError:
        yield f"{type(env).__name__} is not hashable; make it a frozen dataclass with hashable fields"
        return
    if env != dataclasses.replace(env):  # type: ignore[type-var]
        yield f"two {type(env).__name__} with equal fields are not equal; make it a frozen dataclass"
    shown = jax.eval_shape(subject.run.view, subject.start, subject.params)
    features = shown["features"]
    if set(features) != set(env.feature_names):
        odd = sorted(set(features) ^ set(env.feature_names))
        yield f"features() and feature_names differ in {odd}"
    if HIDDEN in env.feature_names:
        yield "performance is among the features; it must stay hidden from rewards"
    for name in ("success", "failure", "valid"):
        if name in features and (features[name].dtype != bool or features[name].shape):
            yield f"feature {name!r} must be one bool"
    for name, labels in (("events", env.event_names), ("subgoals", env.subgoal_names)):
        if name in features and features[name].shape != (len(labels),):
            yield f"feature {name!r} has shape {features[name].shape}, but {len(labels)} names are declared"
        if len(set(labels)) < len(labels):
            yield f"two bits of feature {name!r} have the same name; rewards find bits by their names"
    if shown["mask"].shape != (env.num_actions,) or shown["mask"].dtype != bool:
        yield f"action_mask must be bool[{env.num_actions}], one per action name"
    if len(set(env.action_names)) != env.num_actions:
        yield "two actions have the same name"
    if "caption_id" in features and not env.captions:
        yield "there is a feature caption_id but no captions it could point at"
    _, step = jax.eval_shape(env.step, subject.start, jnp.int32(0), subject.params)
    for name in ("reward", "performance"):
        if getattr(step, name).shape or getattr(step, name).dtype != jnp.float32:
            yield f"TimeStep.{name} must be one float32"


def finite(subject: Subject) -> Iterator[str]:
    walk, env = subject.walk, subject.env
    for name, value in walk["features"].items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            yield f"feature {name!r} is not finite"
    for name in ("reward", "performance"):
        if not np.isfinite(getattr(walk["step"], name)).all():
            yield f"TimeStep.{name} is not finite"
    features = walk["features"]
    if "caption_id" in features:
        ids = features["caption_id"]
        if ids.min() < 0 or ids.max() >= len(env.captions):
            yield f"caption_id leaves 0 .. {len(env.captions) - 1}"
    if "progress" in features and not ((features["progress"] >= 0) & (features["progress"] <= 1)).all():
        yield "progress leaves [0, 1]"


def spaces(subject: Subject) -> Iterator[str]:
    space = subject.env.observation_space(subject.params)
    for t in range(0, STEPS, 4):
        observation = jax.tree.map(lambda x, t=t: np.asarray(x[t, t % subject.count]), subject.walk["observation"])
        if not space.contains(observation):
            yield "an observation is outside observation_space"
            return


def determinism(subject: Subject) -> Iterator[str]:
    """A few recorded steps again: alone, and alone without the compiler."""
    walk, env = subject.walk, subject.env
    alone = subject.start
    for t in range(min(6, STEPS)):
        if walk["over"][t, 0]:
            break
        action = jnp.asarray(walk["action"][t, 0])
        before, (alone, _) = alone, subject.run.step(alone, action, subject.params)
        if t == 0:
            with jax.disable_jit():
                slow, _ = env.step(before, action, subject.params)
            if not _close(to_arrays(slow), to_arrays(alone)):
                yield "a step gives another state when it is not compiled"
        if not _close(to_arrays(alone), [x[t, 0] for x in walk["state"]]):
            yield f"one environment alone and the same one among {subject.count} differ after {t + 1} steps"
            return


def masks(subject: Subject) -> Iterator[str]:
    walk, features = subject.walk, subject.walk["features"]
    live = ~walk["over"]
    ended = walk["step"].terminated | walk["step"].truncated
    if not walk["mask"][live & ~ended].any(-1).all():
        yield "in some state no action is admissible"
    if "valid" not in features:
        return
    if not features["valid"][live & walk["allowed"]].all():
        yield "an action that the mask allows was not valid"
    refused = live & ~walk["allowed"]
    if features["valid"][refused].any():
        yield "an action that the mask forbids was valid"
    if (walk["step"].reward[refused] > 0).any():
        yield "an inadmissible action was rewarded"
    if "state_hash" in features:
        before, after = features["state_hash"][:-1], features["state_hash"][1:]
        if (before != after).any(-1)[refused[1:]].any():
            yield "an inadmissible action changed the state"


def horizon(subject: Subject) -> Iterator[str]:
    """Episodes end, at the step limit by truncation and not before."""
    limit, state, step = subject.env.horizon(subject.params), subject.start, None
    for _ in range(limit):
        state, step = subject.run.step(state, jnp.int32(0), subject.params)
        if step.terminated | step.truncated:
            break
    else:
        yield f"an episode goes on beyond horizon(params) = {limit} steps"
    walked, live = subject.walk["step"], ~subject.walk["over"]
    both = (walked.terminated & walked.truncated & live).any() and not subject.env.ends_can_coincide
    if both or (step is not None and step.terminated & step.truncated):
        yield "a step is both terminated and truncated; termination wins"
    early = walked.truncated & live & (np.arange(1, STEPS + 1)[:, None] < limit)
    if early.any():
        yield f"an episode is truncated before its step limit, horizon(params) = {limit}"


def groups(subject: Subject) -> Iterator[str]:
    if "state_hash" not in subject.env.feature_names:
        return
    hashes, rows = subject.run.groups(jnp.arange(3), subject.params)
    hashes = np.asarray(hashes).reshape(3, 2, -1)
    if (hashes[:, 0] != hashes[:, 1]).any():
        yield "reset_group gives different layouts within a group"
    if not _close([x[0] for x in rows], [x[1] for x in rows]):
        yield "rekey gives two equal states different futures from one key"


def traced_parameters(subject: Subject) -> Iterator[str]:
    """Another difficulty runs in the same compiled program."""
    step: Any = subject.run.step
    step(subject.start, jnp.int32(0), subject.params)
    compiled = step._cache_size()
    other = jax.tree.map(lambda x: x + 1 if jnp.issubdtype(x.dtype, jnp.integer) else x, subject.params)
    step(subject.start, jnp.int32(0), other)
    if step._cache_size() != compiled:
        yield "another value of a traced parameter compiles anew"


def oracle(subject: Subject) -> Iterator[str]:
    """Going where fewest steps remain succeeds in exactly the promised number of steps."""
    if "oracle_steps" not in subject.env.feature_names:
        return
    for level in range(3):
        state = subject.run.reset(level, subject.params)
        features = subject.run.seen(state, subject.params)["features"]
        promised = int(features["oracle_steps"])
        if promised == -2:
            return
        if "oracle_start" in features and int(features["oracle_start"]) != promised:
            yield "oracle_start is not oracle_steps at reset"
        success, taken = False, 0
        while taken < promised and not success:
            state, success = subject.run.look_ahead(state, subject.params)
            taken += 1
        if not success or taken != promised:
            yield f"level {level}: the oracle promises {promised} steps, following it took {taken} (success: {success})"


CORE_RULES: tuple[Callable[[Subject], Iterator[str]], ...] = (
    finite,
    spaces,
    determinism,
    masks,
    horizon,
    groups,
    traced_parameters,
    oracle,
)


def _close(left: Any, right: Any) -> bool:
    return all(
        np.allclose(a, b, rtol=1e-5, atol=1e-6) if np.asarray(a).dtype.kind == "f" else np.array_equal(a, b)
        for a, b in zip(left, right, strict=True)
    )
