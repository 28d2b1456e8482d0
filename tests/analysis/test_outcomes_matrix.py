"""The table of predicted outcomes in the documentation is what the exact solution says."""

from __future__ import annotations

import jax
import pytest
from support.repository import ROOT

from rewardax.analysis import Outcome, outcome_matrix, performance_gate
from rewardax.analysis.outcomes_matrix import DESIGNS, TASKS

PINNED = ("KeyFarm", "RingRace", "DeepSea", "SideEffect")


@pytest.fixture(scope="module")
def cells() -> dict[tuple[str, str], Outcome]:
    jax.config.update("jax_disable_most_optimizations", True)
    found = {(cell.task, cell.design): cell for cell in outcome_matrix(PINNED)}
    jax.config.update("jax_disable_most_optimizations", False)
    return found


def page_table() -> dict[tuple[str, str], str]:
    text = (ROOT / "docs" / "matrix.md").read_text().partition("<!-- matrix -->\n")[2].partition("\n<!--")[0]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
    return {(task, row[0]): shown for row in rows for task, shown in zip(header[1:], row[1:], strict=True) if shown}


@pytest.mark.slow
def test_page_shows_every_task_and_design(cells: dict[tuple[str, str], Outcome]) -> None:
    shown = page_table()
    assert {task for task, _ in shown} == set(TASKS) and {design for _, design in shown} == set(DESIGNS)
    for key, cell in cells.items():
        lost = cell.verdict in ("farms", "hacks")
        worth = f" ({cell.performance:.5g} of {cell.best:.5g})" if lost else ""
        assert shown[key] == cell.verdict + worth, key
    assert {key for key in shown if key[0] in PINNED} == set(cells)


@pytest.mark.slow
def test_catalog_predictions(cells: dict[tuple[str, str], Outcome]) -> None:
    totals = ("the task's reward", "event bonus", "event bonus, latched", "event bonus, gated")
    assert [cells["KeyFarm", name].total for name in totals] == pytest.approx([1.0, 3.8, 1.1, 3.8])
    verdicts = {key: cell.verdict for key, cell in cells.items()}
    assert verdicts["KeyFarm", "event bonus"] == verdicts["KeyFarm", "event bonus, gated"] == "farms, then solves"
    assert verdicts["KeyFarm", "event bonus, latched"] == "solves"
    assert verdicts["RingRace", "step bonus"] == "farms" and verdicts["RingRace", "the task's reward"] == "hacks"
    assert verdicts["DeepSea", "subgoals, latched"] == "solves"


@pytest.mark.parametrize("task", PINNED)
def test_potentials_keep_the_optimum_of_the_base_reward(task: str, cells: dict[tuple[str, str], Outcome]) -> None:
    base = cells[task, "the task's reward"]
    for design in ("potential", "potential, wrong sign"):
        cell = cells[task, design]
        assert cell.verdict == base.verdict
        assert (cell.performance, cell.performance_high) == pytest.approx(
            (base.performance, base.performance_high), abs=1e-4
        )
        assert cell.total == pytest.approx(base.total, abs=1e-4)  # Φ is 0 at the start and at every end


def test_a_gate_on_the_truth_repairs_up_to_its_threshold() -> None:
    full, half = performance_gate(8), performance_gate(8, share=0.5)
    assert (full.verdict, full.performance) == ("solves", pytest.approx(1.0))
    assert half.verdict == "farms" and half.performance == pytest.approx(0.5)


def test_names_are_checked() -> None:
    with pytest.raises(KeyError, match="KeyFarm"):
        outcome_matrix(["KeyFram"])
