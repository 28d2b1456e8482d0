"""Compiled programs that are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import pytest

from rewardax.agents.runs.programs import compiled, finish


def double(x: Any) -> Any:
    return 2.0 * x


def test_a_program_that_did_not_compile_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: Any) -> Any:
        raise MemoryError("no room for the program")

    x = np.ones(3, np.float32)
    with ThreadPoolExecutor(1) as thread, monkeypatch.context() as broken:
        broken.setattr(jax.stages.Lowered, "compile", out_of_memory)
        program = compiled(double, x, beside=thread)
        with pytest.raises(MemoryError, match="no room"):
            finish(program)
    with ThreadPoolExecutor(1) as thread:
        again = compiled(double, x, beside=thread)
    finish(again)
    assert again(x).tolist() == [2.0, 2.0, 2.0]
    assert compiled(double, x) is again
