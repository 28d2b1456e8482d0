"""The results folder: what a kill leaves behind, what may be resumed and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rewardax.experiments.results import Results, difference, plain, safe_name

CONFIG = {"env": "KeyFarm", "frames": 1000, "agent": {"gamma": 0.99}, "designs": {"sparse": {"reward": None}}}
FINAL = {"final": {"success": np.array([1.0, 0.5])}, "wall": 1.0, "compile_seconds": 2.0, "fps": 3.0}


def record(chunk, value):
    return {"chunk": chunk, "frames": 10 * (chunk + 1), "wall": 0.1, "metrics": {"success": np.array(value)}}


def successes(results, design="sparse"):
    return [entry["metrics"]["success"].tolist() for entry in results.chunks(design)]


def test_lines_are_written_while_running_and_read_back(tmp_path):
    results = Results(tmp_path, CONFIG)
    results.add_chunk("sparse", record(0, [0.25, np.nan]))
    (line,) = (tmp_path / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["metrics"] == {"success": [0.25, None]}
    results.add_final("sparse", **FINAL)

    again = Results(tmp_path, CONFIG)
    np.testing.assert_array_equal(successes(again), [[0.25, np.nan]])
    assert again.final("sparse")["final"]["success"].tolist() == [1.0, 0.5]
    assert again.final("other") is None and again.chunks("other") == []


def test_memory_only_results_behave_the_same():
    results = Results(None, CONFIG)
    results.add_chunk("sparse", record(0, [0.25]))
    results.add_final("sparse", **FINAL)
    assert successes(results) == [[0.25]] and results.final("sparse")["wall"] == 1.0
    assert results.checkpoint("sparse") is None


def test_a_half_written_line_is_cut_off_and_a_repeated_chunk_counts_once(tmp_path):
    results = Results(tmp_path, CONFIG)
    results.add_chunk("sparse", record(0, [0.0]))
    results.add_chunk("sparse", record(1, [0.1]))
    log = tmp_path / "results.jsonl"
    log.write_text(log.read_text() + '{"kind": "chunk", "design": "spar')

    again = Results(tmp_path, CONFIG)
    assert successes(again) == [[0.0], [0.1]]
    again.add_chunk("sparse", record(1, [0.5]))
    again.add_chunk("sparse", record(2, [0.6]))
    assert successes(Results(tmp_path, CONFIG)) == [[0.0], [0.5], [0.6]]


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    Results(tmp_path, CONFIG)
    (tmp_path / "results.jsonl").write_text('oops\n{"kind": "chunk"}\n')
    with pytest.raises(ValueError, match=r"line 1 of .* is damaged"):
        Results(tmp_path, CONFIG)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": 2000}, "frames was 1000 and is now 2000"),
        ({"agent": {"gamma": 0.9}}, "agent.gamma was 0.99 and is now 0.9"),
        ({"designs": {"sparse": {"reward": {"type": "RND"}}}}, "designs.sparse.reward was null and is now"),
    ],
)
def test_another_experiment_in_the_folder_is_refused_and_left_alone(tmp_path, changed, message):
    Results(tmp_path, CONFIG)
    before = (tmp_path / "manifest.json").read_text()
    with pytest.raises(ValueError, match=f"holds another experiment: {message}"):
        Results(tmp_path, {**CONFIG, **changed})
    assert (tmp_path / "manifest.json").read_text() == before


def test_new_designs_may_join(tmp_path):
    Results(tmp_path, CONFIG).add_final("sparse", **FINAL)
    joined = Results(tmp_path, {**CONFIG, "designs": {"mine": {"reward": {"type": "RND"}}}})
    assert set(joined.manifest["config"]["designs"]) == {"sparse", "mine"}
    assert joined.final("sparse") is not None
    assert Results(tmp_path, CONFIG).manifest["config"]["designs"]["mine"] == {"reward": {"type": "RND"}}


def test_manifest_says_what_made_the_numbers(tmp_path):
    results = Results(tmp_path, CONFIG)
    results.describe({"sparse": {"summary": "nothing", "terms": ""}})
    Results(tmp_path, CONFIG)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["config"] == CONFIG and manifest["descriptions"]["sparse"]["summary"] == "nothing"
    assert len(manifest["runs"]) == 2, "one entry for each start"
    run = manifest["runs"][0]
    assert set(run["versions"]) == {
        "python",
        "rewardax",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "gymnasium",
        "numpy",
    }
    assert run["hardware"]["cpus"] >= 1 and run["hardware"]["device"]


def test_folders_that_cannot_be_used_are_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="cannot write results to"):
        Results(file / "inside", CONFIG)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="is not a manifest of ours"):
        Results(tmp_path, CONFIG)


def test_loading_does_not_write(tmp_path):
    results = Results(tmp_path, CONFIG)
    results.add_final("sparse", **FINAL)
    log = tmp_path / "results.jsonl"
    log.write_text(log.read_text() + "half a li")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert Results.load(tmp_path).final("sparse")["wall"] == 1.0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(ValueError, match="no results in"):
        Results.load(tmp_path / "nowhere")


def test_small_helpers():
    assert difference({"a": 1, "b": [1]}, {"a": 1, "b": [1]}) == ""
    assert difference({"a": 1}, {"a": 1, "b": 2}) == "b was null and is now 2"
    assert plain({"x": np.float32(np.inf), "y": (np.int32(3), float("nan"))}) == {"x": None, "y": [3, None]}


def test_no_two_designs_share_a_folder():
    names = ["bonus-0.1", "bonus 0.1", "bonus/0.1", "Bonus-0.1", ".", "..", "", "x" * 400, "x" * 401, "é", "my.py:Mine"]
    folders = [safe_name(name) for name in names]
    assert len({folder.lower() for folder in folders}) == len(names)
    assert all(folder.strip(".") and len(folder) < 200 and "/" not in folder for folder in folders)
    assert folders[0] == "bonus-0.1", "a plain name is its own folder"
