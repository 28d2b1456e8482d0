"""Writes ``docs/tasks``: a picture of each grid family and a transcript of each other one, shown on the family's page.

``python docs/tools/transcripts.py [Family ...]``; without names, of every family. The agent is the task's own oracle
where it has one, else it plays at random.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.envs import PRESETS, make, oracle_action, reset_level
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.language.templates import FEEDBACK
from rewardax.envs.text.engine.env import TextEnv

FOLDER = Path(__file__).resolve().parents[1] / "tasks"
CARDS = Path(__file__).resolve().parents[2] / "envs/assets/cards"
STEPS = 12  # of a transcript at most
PLAIN = ("-easy", "-small", "-8x8")  # endings of the ids that show a family best


def families() -> dict[str, str]:
    """Class name of each family -> the id that shows it."""
    ids: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        ids.setdefault(preset.entry.rpartition(":")[2], []).append(name)
    return {
        family: next((name for ending in PLAIN for name in names if name.endswith(ending)), names[0])
        for family, names in ids.items()
    }


def write(family: str, name: str) -> Path:
    """Picture or transcript of level 0 of a task."""
    env, params = make(name)
    state = jax.jit(lambda p: reset_level(env, p, 0))(params)
    if isinstance(getattr(env, "task", env), GridEnv) and not isinstance(env, TextEnv):
        from PIL import Image

        path = place(family, "png")
        Image.fromarray(env.render(state, params, "rgb_array")).save(path, optimize=True)
        return path
    path = place(family, "txt")
    path.write_text("\n".join(transcript(env, params, state, name)) + "\n")
    return path


def place(family: str, ending: str) -> Path:
    """Where a family's picture or transcript lies: in a folder by the kind of task, as its card does."""
    name = next(path.parent.name for path in CARDS.glob(f"*/{family}.json"))
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    return FOLDER / name / f"{family}.{ending}"


def transcript(env: Any, params: Any, state: Any, name: str) -> list[str]:
    """What is seen at first, then each command with its reply, and its reward."""
    step, actions = jax.jit(env.step), chosen(env, params, state)
    who = "the oracle" if actions is not None or has_oracle(env, params, state) else "random actions"
    lines = [f"rewardax/{name}-v0, level 0, {who}", "", *shown(env, state, params)]
    random, total = np.random.default_rng(0), 0.0
    oracle = jax.jit(lambda s: oracle_action(env, s, params)) if has_oracle(env, params, state) else None
    mask = jax.jit(lambda s: env.action_mask(s, params))
    for t in range(STEPS):
        if actions is not None:
            action = actions[t]
        elif oracle is not None:
            action = int(oracle(state))
        else:
            action = int(random.choice(np.flatnonzero(np.asarray(mask(state)))))
        said = env.render_action(action, state) if isinstance(env, TextEnv) else env.action_names[action]
        state, out = step(state, jnp.int32(action), params)
        total += float(out.reward)
        lines += ["", f"> {said}", *answer(env, state, params)]
        if bool(out.terminated | out.truncated):
            lines += ["", f"over after {t + 1} steps, total reward {total:g}"]
            return lines
    return [*lines, "", f"and so on; total reward so far {total:g}"]


def chosen(env: Any, params: Any, state: Any) -> list[int] | None:
    """The plan of a task that plans on the host."""
    return None if has_oracle(env, params, state) or not hasattr(env, "plan") else env.plan(state, params)


def has_oracle(env: Any, params: Any, state: Any) -> bool:
    """Whether the task knows how far it is to success."""
    return "oracle_steps" in env.feature_names and int(env.features(state, params)["oracle_steps"]) >= 0


def shown(env: Any, state: Any, params: Any) -> list[str]:
    """The observation in lines."""
    text = env.text(state, params)
    return text.split("\n") if "\n" in text else text.replace(". ", ".\n").split("\n")


def answer(env: Any, state: Any, params: Any) -> list[str]:
    """The reply to a command; of tasks without replies, the whole observation."""
    if not isinstance(env, TextEnv) or env.map_shape[0]:
        return shown(env, state, params)
    seen = jax.tree.map(np.asarray, env.observe(state, params))
    return [env.text_of(line) for line in seen["lines"][seen["line_type"] == FEEDBACK]]


if __name__ == "__main__":
    for family, name in families().items():
        if len(sys.argv) == 1 or family in sys.argv[1:]:
            print(write(family, name))
