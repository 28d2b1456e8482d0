"""Measure what can be measured about a family of tasks and write it into its card.

``python scripts/card_figures.py Family ...`` fills in the facts of ``envs/assets/cards/*/<Family>.json``: array
sizes, names, hashes, and for every registered id the horizon, steps and return of the oracle and the success of
random play. What is exact and known by other means (the optimum of a task that pays per step, say) is written by
hand; a figure of a preset that is there already stays unless ``--again`` is given. Tasks in words take over
the figures of the task inside, so their cards (TextGrid, TextTable) come last.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rewardax.envs import PRESETS, make
from rewardax.envs.contract.measure import play, wilson
from rewardax.envs.core import Env, PyTree
from rewardax.envs.language.vocab import VOCAB_HASH
from rewardax.envs.levels import reset_level
from rewardax.envs.presets import IN_WORDS
from rewardax.envs.text.engine.env import TextEnv

ASSETS = Path(__file__).resolve().parents[1] / "envs" / "assets" / "cards"
LEVELS = 512  # of the oracle; an eighth of it in grids, which search
WORK = 2_000_000  # steps of random play at most
POLICY = "uniform over the admissible actions; interval: Wilson, 95 %"


def presets_of(family: str) -> list[str]:
    """Registered ids of a family. Raises ``SystemExit`` if there are none."""
    names = [name for name, preset in PRESETS.items() if preset.entry.rpartition(":")[2] == family]
    if not names:
        raise SystemExit(
            f"no registered task of a class {family!r}; there are {sorted({p.entry for p in PRESETS.values()})}"
        )
    return names


def family_facts(env: Env, params: PyTree) -> dict[str, Any]:
    """Sizes and names."""
    facts: dict[str, Any] = {"actions": env.num_actions}
    if env.num_actions <= 12:
        facts["action_names"] = list(env.action_names)
    facts |= {"features": list(env.feature_names), "events": list(env.event_names), "subgoals": list(env.subgoal_names)}
    facts["captions"] = len(env.captions)
    if "state_id" in env.feature_names:
        facts["state_ids"] = env.num_state_ids  # type: ignore[attr-defined]
    state = jax.eval_shape(lambda: reset_level(env, params, 0))
    facts["state_bytes"] = sum(int(np.prod(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(state))
    if isinstance(env, TextEnv):
        facts |= {"lines": env.num_lines, "words_per_line": env.line_width, "tokens": env.max_tokens}
        facts |= {"vocabulary_hash": VOCAB_HASH, "template_hash": env.templates.hash}
    return facts


def preset_facts(env: Env, params: PyTree) -> dict[str, Any]:
    """Horizon, oracle and random play of one registered id."""
    horizon = env.horizon(params)
    facts: dict[str, Any] = {"horizon": horizon}
    if hasattr(env, "shape"):
        facts["size"] = list(env.shape)
    if "oracle_steps" in env.feature_names:
        levels = LEVELS // 8 if hasattr(env, "shape") else LEVELS
        best = play(env, params, np.arange(levels), "oracle")
        if best.promised.min() >= 0:
            facts["optimal_steps"] = round(float(best.promised.mean()), 2)
            facts["optimal_steps_range"] = [int(best.promised.min()), int(best.promised.max())]
            facts["optimal_return"] = round(float(best.total.mean()), 6)
            facts["optimal_levels"] = levels
    episodes = int(np.clip(WORK // horizon, 512, 8192))
    tried = play(env, params, np.arange(10_000, 10_000 + episodes), "random")
    hits = int(tried.success.sum())
    facts["random_success"] = round(hits / episodes, 5)
    facts["random_interval"] = [round(x, 5) for x in wilson(hits, episodes)]
    facts["random_return"] = round(float(tried.total.mean()), 5)
    if not np.allclose(tried.total, tried.performance):
        facts["random_performance"] = round(float(tried.performance.mean()), 5)
    return facts | {"random_episodes": episodes}


def card_file(family: str) -> Path:
    """The card of a family, which lies in a folder by the kind of task."""
    return next(ASSETS.glob(f"*/{family}.json"))


def text_task_facts(name: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Figures of a task in words: those of the task inside, and the names and sizes that are its own."""
    inner = PRESETS[name].spec["inner"]
    card = json.loads(card_file(make(inner)[0].family).read_text(encoding="utf-8"))
    own = family_facts(*make(name))
    return card["presets"][inner] | {key: value for key, value in own.items() if shared.get(key) != value}


def fill(family: str, again: bool) -> None:
    """Rewrite one card."""
    path = card_file(family)
    card = json.loads(path.read_text(encoding="utf-8"))
    names = presets_of(family)
    card |= family_facts(*make(names[0]))
    card.setdefault("random_policy", POLICY)
    rows = card.setdefault("presets", {})
    for name in names:
        known = rows.get(name, {})
        if name.endswith(IN_WORDS):
            rows[name] = text_task_facts(name, card)
        elif again or "random_success" not in known:
            measured = preset_facts(*make(name))
            rows[name] = {**known, **measured} if again else {**measured, **known}
            print(name, rows[name])
    card["presets"] = {name: rows[name] for name in names}
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    families = [word for word in sys.argv[1:] if not word.startswith("-")]
    for family in families:
        fill(family, "--again" in sys.argv)
    if not families:
        raise SystemExit(__doc__)
