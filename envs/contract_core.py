"""Rules about the functional core of a task, each a generator of sentences about what is broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.arrays import to_arrays
from rewardax.envs.core import Env, PyTree
from rewardax.envs.levels import branch, dynamics_key, reset_group, reset_level

LANES, STEPS = 16, 48
HIDDEN = "performance"


class Subject:
    """A task, and a random walk through it recorded as ``[STEPS, LANES]``, frozen where an episode is over."""

    def __init__(self, env: Env, params: PyTree) -> None:
        self.env, self.params = env, params
        self.step = jax.jit(env.step)
        self.reset = jax.jit(lambda level: reset_level(env, params, level))
        self.features = jax.jit(lambda state: env.features(state, params))
        self.start = self.reset(0)

    def view(self, state: PyTree) -> dict[str, Any]:
        """Everything the task says about a state."""
        return {
            "observation": self.env.observe(state, self.params),
            "features": self.env.features(state, self.params),
            "mask": self.env.action_mask(state, self.params),
        }

    @cached_property
    def walk(self) -> dict[str, Any]:
        """Random actions on levels 0, 1, ..: mostly admissible, one in eight any."""
        return jax.device_get(jax.jit(self._walk)(jax.random.key(0)))

    def _walk(self, key: Array) -> dict[str, Any]:
        starts = jax.vmap(lambda level: reset_level(self.env, self.params, level))(jnp.arange(LANES))

        def body(carry: tuple[PyTree, Array], key: Array) -> tuple[tuple[PyTree, Array], dict[str, Any]]:
            state, over = carry
            mask = jax.vmap(self.env.action_mask, (0, None))(state, self.params)
            wild_key, action_key = jax.random.split(key)
            wild = jax.random.bernoulli(wild_key, 0.125, over.shape)
            action = jax.random.categorical(action_key, jnp.where(mask | wild[:, None], 0.0, -1e9))
            new, step = jax.vmap(self.env.step, (0, 0, None))(state, action, self.params)
            new = jax.tree.map(lambda a, b: _where(over, a, b), state, new)
            record = {"action": action, "allowed": jnp.take_along_axis(mask, action[:, None], 1)[:, 0]}
            record |= {"step": step, "over": over, "state": to_arrays(new), **jax.vmap(self.view)(new)}
            return (new, over | step.terminated | step.truncated), record

        over = jnp.zeros(LANES, bool)
        return jax.lax.scan(body, (starts, over), jax.random.split(key, STEPS))[1]


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
    shown = jax.eval_shape(subject.view, subject.start)
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
        observation = jax.tree.map(lambda x, t=t: np.asarray(x[t, t % LANES]), subject.walk["observation"])
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
        before, (alone, _) = alone, subject.step(alone, action, subject.params)
        if t == 0 and not _close(to_arrays(env.step(before, action, subject.params)[0]), to_arrays(alone)):
            yield "a step gives another state when it is not compiled"
        if not _close(to_arrays(alone), [x[t, 0] for x in walk["state"]]):
            yield f"one environment alone and the same one among {LANES} differ after {t + 1} steps"
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
    env, params = subject.env, subject.params
    limit = env.horizon(params)
    idle = jnp.int32(0)

    def play(level: Array) -> tuple[Array, Array]:
        def body(carry: tuple[PyTree, Array], _: None) -> tuple[tuple[PyTree, Array], Any]:
            state, over = carry
            state, step = env.step(state, idle, params)
            flags = jnp.stack([step.terminated, step.truncated]) & ~over
            return (state, over | flags.any()), flags

        (_, over), flags = jax.lax.scan(body, (reset_level(env, params, level), jnp.bool_(False)), None, limit)
        return over, flags

    over, flags = jax.device_get(jax.jit(jax.vmap(play))(jnp.arange(2)))
    both = subject.walk["step"].terminated & subject.walk["step"].truncated & ~subject.walk["over"]
    if both.any() or flags.all(-1).any():
        yield "a step is both terminated and truncated; termination wins"
    if not over.all():
        yield f"an episode goes on beyond horizon(params) = {limit} steps"


def groups(subject: Subject) -> Iterator[str]:
    env, params = subject.env, subject.params
    if "state_hash" not in env.feature_names:
        return

    @jax.jit
    def hashes_of(levels: Array) -> Array:
        states = reset_group(env, params, levels, 2)
        return jax.vmap(lambda s: env.features(s, params)["state_hash"])(states)

    hashes = np.asarray(hashes_of(jnp.arange(3))).reshape(3, 2, -1)
    if (hashes[:, 0] != hashes[:, 1]).any():
        yield "reset_group gives different layouts within a group"
    rows = jax.vmap(env.rekey, (0, None))(branch(subject.start, 2), dynamics_key(5))
    if not _close(*[[x[i] for x in to_arrays(rows)] for i in (0, 1)]):
        yield "rekey gives two equal states different futures from one key"


def knobs(subject: Subject) -> Iterator[str]:
    """Another difficulty runs in the same compiled program."""
    step = subject.step
    step(subject.start, jnp.int32(0), subject.params)
    compiled = step._cache_size()
    other = jax.tree.map(lambda x: x + 1 if jnp.issubdtype(x.dtype, jnp.integer) else x, subject.params)
    step(subject.start, jnp.int32(0), other)
    if step._cache_size() != compiled:
        yield "another value of a traced knob compiles anew"


def oracle(subject: Subject) -> Iterator[str]:
    """Going where fewest steps remain succeeds in exactly the promised number of steps."""
    env, params = subject.env, subject.params
    if "oracle_steps" not in env.feature_names:
        return

    @jax.jit
    def look_ahead(state: PyTree) -> tuple[PyTree, Array]:
        actions = jnp.arange(env.num_actions)
        new, _ = jax.vmap(env.step, (None, 0, None))(state, actions, params)
        features = jax.vmap(lambda s: env.features(s, params))(new)
        left = jnp.where(features["success"], 0, features["oracle_steps"])
        best = jnp.argmin(jnp.where(left < 0, jnp.iinfo(jnp.int32).max, left))
        return jax.tree.map(lambda x: x[best], new), features["success"][best]

    for level in range(3):
        state = subject.reset(level)
        features = subject.features(state)
        promised = int(features["oracle_steps"])
        if promised == -2:
            return
        if "oracle_start" in features and int(features["oracle_start"]) != promised:
            yield "oracle_start is not oracle_steps at reset"
        success, taken = False, 0
        while taken < promised and not success:
            state, success = look_ahead(state)
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
    knobs,
    oracle,
)


def _where(mask: Array, yes: Array, no: Array) -> Array:
    return jnp.where(mask.reshape(mask.shape + (1,) * (yes.ndim - mask.ndim)), yes, no)


def _close(left: Any, right: Any) -> bool:
    return all(
        np.allclose(a, b, rtol=1e-5, atol=1e-6) if np.asarray(a).dtype.kind == "f" else np.array_equal(a, b)
        for a, b in zip(left, right, strict=True)
    )
