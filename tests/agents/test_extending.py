"""A run that was finished goes on when more frames are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from support.envs.learners import TINY, TWO_STEPS, register

import rewardax
from rewardax.agents import RolloutWarning, train
from rewardax.base.errors import UserError


def run(frames: int, anneal: bool, out: Path | None = None, entropy_end: float = 0.01, **more: Any) -> Any:
    config = rewardax.PPOConfig(**TINY, anneal=anneal, entropy_end=entropy_end)
    return train("KeyFarm", config=config, frames=frames, eval_levels=0, out=out, **more)


def same(a: Any, b: Any) -> bool:
    pairs = zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def test_without_annealing_an_extended_run_is_the_longer_run_bit_for_bit(tmp_path: Path) -> None:
    run(32, False, tmp_path)
    new: list[int] = []
    logged: list[int] = []
    longer = run(
        64, False, tmp_path, on_chunk=lambda r: new.append(r["frames"]), log=lambda r: logged.append(r["frames"])
    )
    assert new == [48, 64] and logged == [16, 32, 48, 64] and longer.notes == ()
    assert [record["frames"] for record in longer.history] == logged
    assert same(longer, run(64, False))
    with pytest.raises(UserError, match="frames is 64 in the file, 32 here"):
        run(32, False, tmp_path)
    with pytest.raises(UserError, match="config, frames differ"):
        run(80, True, tmp_path)


def test_with_annealing_it_is_another_run_and_says_so(tmp_path: Path) -> None:
    run(32, True, tmp_path)
    with pytest.warns(RolloutWarning, match="extended from 32 to 64 frames"):
        longer = run(64, True, tmp_path)
    assert "frames: step size had moved" in longer.notes[-1], "the entropy weight is the same all the time"
    assert "with anneal=False it is" in longer.notes[-1]
    assert not same(longer, run(64, True))


def test_an_entropy_weight_that_moves_is_told_too(tmp_path: Path) -> None:
    run(32, False, tmp_path, entropy_end=0.0)
    with pytest.warns(RolloutWarning, match="entropy weight had moved .* with entropy_end=None it is"):
        run(48, False, tmp_path, entropy_end=0.0)


def test_foreign_runs_have_no_folder() -> None:
    register()
    with pytest.raises(UserError, match="cannot be saved"):
        train(TWO_STEPS, out="anywhere")
