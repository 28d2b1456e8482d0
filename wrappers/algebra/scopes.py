"""When a rule over several components applies: to the rewards of a step, or to a whole episode on its last step."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rewardax.base.errors import UserError
from rewardax.wrappers.core import PyTree, Rewards, Transition

SCOPES = ("step", "episode")
STATISTICS = ("sum", "mean", "max", "last")


def check_lengths(owner: object, names: Sequence[str], **numbers: object) -> None:
    """Raise ``UserError`` unless ``names`` are distinct, not none, and as many as each tuple of ``numbers`` has."""
    if not names:
        raise UserError(f"{type(owner).__name__} needs the name of at least one component.")
    if len(set(names)) < len(names):
        raise UserError(f"{type(owner).__name__}: a component is listed twice in {tuple(names)}.")
    for field, value in numbers.items():
        if isinstance(value, tuple) and len(value) != len(names):
            raise UserError(
                f"{type(owner).__name__} needs one of `{field}` per component; got {len(value)} for {tuple(names)}."
            )


def channels(rewards: Rewards, names: Sequence[str]) -> Float[Array, "*T N K"]:
    """The named components side by side."""
    rewards.require(*names)
    return jnp.stack([rewards.components[name] for name in names], -1)


def begin(scope: str, statistic: str, example: Transition, width: int) -> PyTree:
    """Empty episode memory for ``width`` channels."""
    if scope == "step" or statistic == "last":
        return ()
    start = jnp.full((*example.reward.shape, width), -jnp.inf if statistic == "max" else 0.0, example.reward.dtype)
    return {"held": start, "rows": jnp.zeros(example.reward.shape, example.reward.dtype)}


def collect(
    scope: str, statistic: str, memory: PyTree, values: Float[Array, "N K"]
) -> tuple[Float[Array, "N K"], PyTree]:
    """Take in this step's values; give what the rule looks at, and the new memory.

    >>> memory = {"held": jnp.array([[1.0]]), "rows": jnp.array([1.0])}
    >>> collect("episode", "mean", memory, jnp.array([[0.0]]))[0].tolist()
    [[0.5]]
    """
    if scope == "step" or statistic == "last":
        return values, memory
    held = jnp.maximum(memory["held"], values) if statistic == "max" else memory["held"] + values
    rows = memory["rows"] + 1
    return held / rows[:, None] if statistic == "mean" else held, {"held": held, "rows": rows}


def delivered(scope: str, transition: Transition, value: Float[Array, "*T N"]) -> Float[Array, "*T N"]:
    """What is given now, of a value: all of it, or all of it on the last step and nothing before."""
    return value if scope == "step" else jnp.where(transition.done, value, 0)
