"""Settings written as ``name=value`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import tyro

from rewardax.base.errors import UserError

EnvKwargs = Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--knobs"])]  # the option's earlier name


def settings(pairs: Iterable[str], option: str) -> dict[str, Any]:
    """Parse ``name=value`` pairs; values are JSON, anything else is text.

    >>> settings(["layouts=1", "tv=off"], "--env-kwargs")
    {'layouts': 1, 'tv': 'off'}

    Raises:
        UserError: for a pair without ``=`` or a name that is given twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UserError(f"{option} takes name=value, got {pair!r}; for example {option} layouts=1")
        if name in found:
            raise UserError(f"{option} names {name!r} twice")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def agent_config(pairs: Iterable[str], task: str = "") -> Any:
    """A ``PPOConfig`` with the given fields changed; of a task in a comparison, that which suits it.

    Raises:
        UserError: for a field that does not exist.
    """
    import dataclasses

    from rewardax.agents import PPOConfig
    from rewardax.experiments.runner import agent

    changed = settings(pairs, "--agent")
    known = {field.name for field in dataclasses.fields(PPOConfig)}
    wrong = [name for name in changed if name not in known]
    if wrong:
        raise UserError(f"the agent has no setting {wrong[0]!r}; there are {', '.join(sorted(known))}")
    return agent(task, **changed)


def keep_programs(folder: str | None) -> None:
    """Load compiled programs from a folder, where there are any, and leave new ones there: JAX's persistent cache.

    Raises:
        UserError: on a CPU, where jaxlib 0.10.2 crashed while it wrote them and took programs for one another.
    """
    if folder is None:
        return
    import jax

    if jax.default_backend() == "cpu":
        raise UserError(
            "--program-cache needs a GPU or a TPU: on a CPU jaxlib mixed up programs that it had kept on disk, and "
            "numbers would be wrong; leave it out"
        )
    jax.config.update("jax_compilation_cache_dir", folder)
