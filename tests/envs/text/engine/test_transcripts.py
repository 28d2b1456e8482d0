"""What text families say, and games of some, as hashes: what agents read, may do and receive, and the features.

The hashes in ``transcripts.json`` were made before the families shared their frame. ``python -m
tests.envs.text.engine.test_transcripts`` prints them anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from rewardax.envs.registry import make

STEPS = 24
FAMILIES = {
    **{name: f"{name}-tiny" for name in ("Coin", "Treasure", "RepoRepair", "Craft", "Shop", "Household", "Cooking")},
    **{name: f"{name}-tiny" for name in ("GradedReport", "Delivery", "Kitchen", "Lab", "HopQA", "TwentyQuestions")},
    **{name: name for name in ("Make24", "Dilemma", "TextBandit", "Clarify")},
    **{"VisibleTests": "VisibleTests-tiny", "TextGrid": "DoorKey-5x5-Text", "TextTable": "Cliff-Text"},
}
PLAYED = ("Coin", "Clarify", "Dilemma", "TextTable")  # whose programs are small
GOLDEN: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("transcripts.json").read_text())


def digest(parts: Iterable[Any]) -> str:
    return hashlib.sha256(repr([*parts]).encode()).hexdigest()[:12]


def numbers(tree: Any) -> list[Any]:
    """Names, types and values of a dict of arrays; real numbers to four digits."""
    show = lambda x: [f"{v:.4g}" for v in x.ravel().tolist()] if x.dtype.kind == "f" else x.tolist()  # noqa: E731
    return [(name, str(x.dtype), x.shape, show(x)) for name, x in sorted(jax.tree.map(np.asarray, tree).items())]


def said(name: str) -> str:
    """Hash of everything that a family can say, and of the sizes of its arrays."""
    env, params = make(name)
    sentences = (env.templates.names, env.templates.sentences, env.action_templates.sentences, env.verbs)
    names = (env.action_names, env.captions, sorted(env.feature_names), env.event_names, env.subgoal_names)
    return digest([*sentences, *names, env.slots, env.num_lines, env.line_width, env.max_tokens, env.horizon(params)])


def played(name: str) -> dict[str, str]:
    """Hashes of a game in which every fourth action is any number, the others are admissible."""
    env, params = make(name)
    params = params.replace(wording=1)
    rng = np.random.default_rng(7)
    state = env.reset(jax.random.key(5), params)
    found: dict[str, list[Any]] = {"read": [], "allowed": [], "received": [], "offered": []}
    for t in range(STEPS):
        mask = np.asarray(env.action_mask(state, params))
        wild = t % 4 == 3 or not mask.any()
        action = int(rng.integers(-1, len(mask) + 1) if wild else rng.choice(np.flatnonzero(mask)))
        state, step = env.step(state, np.int32(action), params)
        found["read"].append((numbers(env.observe(state, params)), env.text(state, params)))
        found["allowed"].append(env.admissible_commands(state, params))
        found["received"].append([f"{float(x):.4g}" for x in jax.tree.leaves(step)])
        found["offered"].append(numbers(env.features(state, params)))
    return {key: digest(parts) for key, parts in found.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_can_say(family: str) -> None:
    assert said(FAMILIES[family]) == GOLDEN[family]["said"]


@pytest.mark.parametrize("family", PLAYED)
def test_what_happens_in_a_game(family: str) -> None:
    assert GOLDEN[family] == {"said": said(FAMILIES[family]), **played(FAMILIES[family])}


if __name__ == "__main__":
    found = {family: {"said": said(name)} for family, name in FAMILIES.items()}
    print(json.dumps({**found, **{name: found[name] | played(FAMILIES[name]) for name in PLAYED}}, indent=1))
