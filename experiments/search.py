"""Search for a reward: propose expressions over primitives, train on each, keep what solves held-out levels.

The outer loop of differentiable evolutionary reward composition (DERL): an expression such as ``"g1 + 0.5*g2"`` over
boolean features is an inner reward (:class:`~rewardax.wrappers.ExpressionReward`); its score is the success rate,
on validation levels, of an agent trained on it. Here the proposer is a small evolution; any function from the
trials so far to the next expression, a language model for one, takes its place.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.agents.evaluation import evaluate
from rewardax.agents.ppo import PPOConfig
from rewardax.agents.training import train
from rewardax.base.errors import UserError
from rewardax.base.seeds import as_seeds
from rewardax.base.sources import source_digests
from rewardax.envs import make
from rewardax.wrappers import ExpressionReward, Weights, chain
from rewardax.wrappers.algebra.expression import Tree, parse, size
from rewardax.wrappers.core import RewardTransform

INVALID = -1.0  # score of a proposal that is not an expression
_OPERATORS = "+-*/"
_DEEPEST = 3
_TRIES = 50


@dataclasses.dataclass(frozen=True)
class Trial:
    """One proposal and what came of it: success on validation levels, -1 if it was invalid."""

    expression: str
    score: float


Proposer = Callable[[Sequence[Trial]], str]


def render(tree: Tree) -> str:
    """Text of an expression tree; :func:`~rewardax.wrappers.algebra.expression.parse` reads it back.

    >>> render(parse("g1*(g2 - 0.5)"))
    '(g1*(g2-0.5))'
    """
    kind = tree[0]
    if kind == "number":
        return f"{tree[1]:g}"
    if kind == "primitive":
        return f"g{tree[1] + 1}"
    if kind == "negate":
        return f"(-{render(tree[1])})"
    return f"({render(tree[1])}{kind}{render(tree[2])})"


@dataclasses.dataclass(frozen=True)
class Evolution:
    """Proposes expressions by mutation and crossover of the best so far; the same trials give the same proposal.

    Args:
        primitives: how many there are: g1 ... gn.
        population: the first so many proposals are random, later ones descend from the best so many.
        seed: of the proposals.

    >>> Evolution(primitives=3)([])
    '(g1+(g3*g2))'
    """

    primitives: int
    population: int = 8
    seed: int = 0

    def __call__(self, trials: Sequence[Trial]) -> str:
        rng = np.random.default_rng([self.seed, len(trials)])
        known = {trial.expression for trial in trials}
        ranked = sorted((t for t in trials if t.score > INVALID), key=lambda t: -t.score)[: self.population]
        for _ in range(_TRIES):
            if len(trials) < self.population or not ranked:
                tree = self._random(rng, _DEEPEST - 1)
            else:
                mother, father = (parse(ranked[min(rng.integers(len(ranked), size=2))].expression) for _ in range(2))
                graft = _subtree(father, rng) if rng.random() < 0.5 else self._random(rng, 1)
                tree = _replace(mother, graft, rng)
            text = render(tree)
            if text not in known and _depth(tree) <= _DEEPEST and size(tree) > 0:
                break
        return text

    def _random(self, rng: np.random.Generator, depth: int) -> Tree:
        if depth == 0 or rng.random() < 0.25:
            if rng.random() < 0.75:
                return ("primitive", int(rng.integers(self.primitives)))
            return ("number", round(float(rng.uniform(0.1, 2.0)), 1))
        kind = _OPERATORS[rng.choice(4, p=(0.4, 0.2, 0.3, 0.1))]
        return (kind, self._random(rng, depth - 1), self._random(rng, depth - 1))


def _parts(tree: Tree) -> tuple[Tree, ...]:
    return () if tree[0] in ("number", "primitive") else tree[1:]


def _depth(tree: Tree) -> int:
    return 1 + max((_depth(part) for part in _parts(tree)), default=-1)


def _subtree(tree: Tree, rng: np.random.Generator) -> Tree:
    """A random part of a tree, itself included."""
    parts = _parts(tree)
    choice = int(rng.integers(len(parts) + 1))
    return tree if choice == len(parts) else _subtree(parts[choice], rng)


def _replace(tree: Tree, graft: Tree, rng: np.random.Generator) -> Tree:
    """The tree with a random part of it replaced."""
    parts = _parts(tree)
    choice = int(rng.integers(len(parts) + 1))
    if choice == len(parts):
        return graft
    return (tree[0], *(_replace(x, graft, rng) if i == choice else x for i, x in enumerate(parts)))


def count_primitives(env: str, features: Sequence[str], env_kwargs: Mapping[str, Any] | None = None) -> int:
    """How many columns the named boolean features of a task have together.

    >>> count_primitives("KeyFarm", ("subgoals", "success"))
    4
    """
    core, params = make(env, **dict(env_kwargs or {}))
    offered = jax.eval_shape(lambda: core.features(core.reset(jax.random.key(0), params), params))
    missing = [name for name in features if name not in offered]
    if missing or not features:
        asked = repr(missing[0]) if missing else "nothing"
        raise UserError(f"primitives come from features: {asked} was asked for, {env} offers {sorted(offered)}")
    return sum(int(np.prod(offered[name].shape)) for name in features)


def validation_success(
    env: str,
    reward: RewardTransform,
    *,
    frames: int,
    seeds: int | Sequence[int] = (0,),
    config: PPOConfig | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    levels: int = 256,
) -> float:
    """Train on ``reward``, then the mean success over seeds and ``levels`` levels of the split ``valid``.

    A reward that was not finite scores -1.
    """
    run = train(
        env, reward=reward, config=config, frames=frames, seeds=seeds, eval_levels=0, env_kwargs=dict(env_kwargs or {})
    )
    if run.stopped:
        return INVALID
    core, params = make(env, **dict(env_kwargs or {}))
    keys = jax.vmap(jax.random.key)(jnp.asarray(run.seeds))

    def score(weights: Any, key: jax.Array) -> jax.Array:
        return evaluate(core, params, run.policy, weights, key, levels, "valid")["success"]

    return float(jax.jit(jax.vmap(score))(run.params, keys).mean())


def search_reward(
    env: str,
    features: Sequence[str] = ("subgoals", "success"),
    *,
    trials: int = 24,
    proposer: Proposer | None = None,
    score: Callable[[RewardTransform], float] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    frames: int = 200_000,
    seeds: int | Sequence[int] = (0,),
    config: PPOConfig | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> list[Trial]:
    """Try ``trials`` expressions and return them, best first.

    The inner agent receives the value of the expression on an episode's last step, and nothing else; the task reward
    is only the judge. Equal arguments give equal results.

    Args:
        env: task id.
        features: boolean features whose columns, in order, are the primitives g1, g2, ...
        proposer: function from the trials so far to the next expression; default :class:`Evolution`.
        score: function from the inner reward to its score; default :func:`validation_success`.
        out: JSONL file: one line with the settings, then one per trial as soon as it is done. The same call with the
            same file goes on where it stopped.
        frames, seeds, config, env_kwargs: of each inner training run.
        on_trial: called after every trial.

    Raises:
        UserError: for unknown features, or a file of another search.
    """
    n = count_primitives(env, features, env_kwargs)
    settings = {
        "env": env,
        "features": list(features),
        "seed": seed,
        "frames": frames,
        "seeds": list(as_seeds(seeds)),
        "env_kwargs": dict(env_kwargs or {}),
        "config": None if config is None else dataclasses.asdict(config),
    }
    own = {name: given for name, given in (("proposer", proposer), ("score", score)) if given is not None}
    settings |= {name: _called(given) for name, given in own.items()}
    if sources := source_digests(own.values()):
        settings["sources"] = sources
    proposer = Evolution(n, seed=seed) if proposer is None else proposer
    path = None if out is None else Path(out)
    done = [] if path is None else _open(path, settings)
    while len(done) < trials:
        expression = proposer(done)
        reward = inner_reward(expression, features, n)
        if reward is None:
            value = INVALID
        elif score is not None:
            value = float(score(reward))
        else:
            inner: Any = {"frames": frames, "seeds": seeds, "config": config, "env_kwargs": env_kwargs}
            value = validation_success(env, reward, **inner)
        done.append(Trial(expression, value))
        if path is not None:
            _append(path, dataclasses.asdict(done[-1]))
        if on_trial is not None:
            on_trial(done[-1])
    return sorted(done, key=lambda trial: -trial.score)


def inner_reward(expression: str, features: Sequence[str], primitives: int) -> RewardTransform | None:
    """What the inner agent receives: the expression instead of the task reward; ``None`` if it is not valid.

    >>> inner_reward("g1 + g2", ("subgoals",), 2).names
    ('meta', 'task')
    >>> inner_reward("g3", ("subgoals",), 2), inner_reward("import os", ("subgoals",), 2)
    (None, None)
    """
    try:
        valid = size(parse(expression)) <= primitives
    except ValueError:
        return None
    if not valid:
        return None
    meta = ExpressionReward(expression=expression, features=tuple(features), component="meta")
    return chain(meta=meta, task=Weights({"task": 0.0}))


def _called(given: Any) -> str:
    """What a function or a callable object is, as text that is the same in every process."""
    return repr(given) if dataclasses.is_dataclass(given) else getattr(given, "__qualname__", type(given).__qualname__)


def _open(path: Path, settings: Mapping[str, Any]) -> list[Trial]:
    """Trials of an unfinished search; a half-written last line, left by a kill, is cut off."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, {"search": settings})
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    rows = [json.loads(line) for line in whole]
    if not rows or rows[0].get("search") != json.loads(json.dumps(settings)):
        raise UserError(f"{str(path)!r} holds another search; choose another file or repeat its settings")
    path.write_text("".join(line + "\n" for line in whole), encoding="utf-8")
    return [Trial(**row) for row in rows[1:]]


def _append(path: Path, row: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
