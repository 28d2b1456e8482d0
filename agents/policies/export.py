"""Parameters for programs without rewardax: arrays under readable names, and what they are for as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rewardax.agents.networks import ActorCritic, FlatEncoder, GridEncoder, Policy
from rewardax.agents.networks.grids import RGB
from rewardax.agents.policies.task import Task
from rewardax.agents.ppo import PPOConfig
from rewardax.base import saving
from rewardax.base.errors import MissingPackage, UserError, as_user_error

PyTree = Any
ABOUT = "about"


def export(path: str | Path, task: Task, policy: Policy, params: PyTree, config: PPOConfig) -> None:
    """Write the parameters of one policy, see :meth:`rewardax.agents.TrainedPolicy.export`."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    arrays = {".".join(str(getattr(key, "key", key)) for key in where): np.asarray(leaf) for where, leaf in leaves}
    about = json.dumps(
        {
            "env": task.name,
            "env_kwargs": task.env_kwargs,
            "num_actions": task.num_actions,
            "first_action": task.start,
            "masked": config.mask_actions,
            "network": describe_network(policy.bind(params)),
        }
    )
    ending = Path(path).suffix
    if ending not in (".npz", ".safetensors"):
        raise UserError(f"a policy is exported to a file that ends in .npz or .safetensors, not to {str(path)!r}")
    with as_user_error(f"cannot write {str(path)!r}", OSError):
        if ending == ".npz":
            saving.write(path, {**arrays, ABOUT: np.array(about)})
            return
        try:
            from safetensors.numpy import save_file
        except ModuleNotFoundError:
            raise MissingPackage('safetensors files need the extra: pip install "rewardax[export]"') from None
        save_file({name: np.ascontiguousarray(x) for name, x in arrays.items()}, str(path), metadata={ABOUT: about})


def describe_network(net: Any) -> dict[str, Any]:
    """What a program needs to know of a network beside its arrays, as JSON.

    ``kind`` is ``"grid"`` or ``"flat"`` for the networks that the page on policies has a program for, else the name of
    what reads the observations.
    """
    encoder = net.encoder.encoder if type(net) is ActorCritic else net
    if type(net) is ActorCritic and not net.recurrent and not net.encoder.previous:
        if isinstance(encoder, GridEncoder) and not encoder.mission:
            colors = [[0.0, 0.0, 0.0], *RGB.tolist()] if encoder.colored else None
            return {"kind": "grid", "cells": [list(kind) for kind in encoder.kinds], "colors": colors}
        if isinstance(encoder, FlatEncoder):
            return {"kind": "flat", "parts": [part._asdict() for part in encoder.parts]}
    return {"kind": type(encoder).__name__}
