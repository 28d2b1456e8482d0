"""The documentation builds without a warning and holds what is generated from the code."""

from __future__ import annotations

import ast
import dataclasses
import html
import importlib
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from support.repository import ROOT

sys.path.insert(0, str(ROOT / "docs/tools"))
from markdown_text import from_docstring, table


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(out / "doctrees")]
    run = subprocess.run([*command, str(ROOT / "docs"), str(out / "html")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return out / "html"


@pytest.mark.slow
def test_every_family_has_a_page(site: Path) -> None:
    from rewardax.envs import PRESETS

    pages = {path.stem: path.read_text() for path in (site / "generated" / "environments").glob("*.html")}
    for name, preset in PRESETS.items():
        page = pages[preset.entry.partition(":")[2]]
        assert f"rewardax/{name}-v0" in page


@pytest.mark.slow
def test_every_family_shows_a_picture_or_a_transcript(site: Path) -> None:
    import transcripts

    for family in transcripts.families():
        page = (site / "generated" / "environments" / f"{family}.html").read_text()
        assert "<img" in page.partition('id="picture"')[2] or "total reward" in page.partition('id="transcript"')[2]


@pytest.mark.parametrize("family", ["Coin", "KeyFarm", "TextGrid"])
def test_stored_transcripts_are_what_happens(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transcripts

    stored = transcripts.place(family, "txt").read_text()
    monkeypatch.setattr(transcripts, "FOLDER", tmp_path)
    assert transcripts.write(family, transcripts.families()[family]).read_text() == stored


@pytest.mark.slow
def test_every_method_is_in_the_table_and_linked(site: Path) -> None:
    from rewardax.wrappers.core import RewardTransform

    text = (site / "generated" / "methods" / "index.html").read_text()
    registry = RewardTransform.registry
    ours = [name for name, cls in registry.items() if cls.__module__.startswith("rewardax.wrappers")]
    assert not [name for name in ours if name != "Chain" and f'.html#rewardax.wrappers.{name}"' not in text]


def entry(site: Path, page: str, name: str) -> str:
    """Signature of a name in the reference, as text."""
    text = (site / "reference" / f"{page}.html").read_text()
    found = re.search(rf'<dt class="[^"]*" id="{re.escape(name)}">(.*?)</dt>', text, re.DOTALL)
    assert found, f"{name} is not on the page {page}"
    return " ".join(html.unescape(re.sub("<[^>]*>", "", found[1])).split())


@pytest.mark.slow
def test_methods_and_attributes_are_on_a_page_with_their_types(site: Path) -> None:
    assert "state_dict() → dict[str, ndarray]" in entry(site, "gym", "rewardax.wrappers.RewardWrapper.state_dict")
    step = entry(site, "envs", "rewardax.envs.Env.step")
    assert "action: Array" in step and "→ tuple[Any, TimeStep]" in step
    assert "gamma: float = 0.99" in entry(site, "agents", "rewardax.agents.PPOConfig.gamma")
    assert "terminated: Bool[Array, '*T N']" in entry(site, "wrappers", "rewardax.wrappers.Transition.terminated")


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    import public_names

    described = "".join(path.read_text() for path in (site / "reference").glob("*.html"))
    missing = [name for name in public_names.names() if f'id="{name}"' not in described]
    assert not missing, "add these to a page in docs/reference"
    top = (ROOT / "docs/reference/rewardax.md").read_text()
    rewardax = importlib.import_module("rewardax")
    assert not [name for name in rewardax.__all__ if not name.startswith("__") and f"`{name} <" not in top]


@pytest.mark.slow
def test_a_link_in_a_docstring_leads_to_the_public_name(site: Path) -> None:
    """``RewardWrapper`` refers to a private path; its page links to the public name."""
    text = (site / "reference" / "gym.html").read_text()
    assert 'href="#rewardax.wrappers.VectorRewardWrapper"' in text
    assert 'href="wrappers.html#rewardax.wrappers.RewardTransform"' in text


@pytest.mark.slow
def test_internal_links_lead_somewhere(site: Path) -> None:
    pages = {path.resolve(): path.read_text() for path in site.rglob("*.html")}
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    broken = []
    for path, text in pages.items():
        for target in set(re.findall(r'<a [^>]*href="([^"]+)"', text)):
            address, _, anchor = html.unescape(target).partition("#")
            if re.match(r"[a-z]+:", address):
                continue
            there = (path.parent / address).resolve() if address else path
            lost = anchor and there in anchors and urllib.parse.unquote(anchor) not in anchors[there]
            if not there.exists() or lost:
                broken.append(f"{path.relative_to(site)} -> {target}")
    assert len(pages) > 100 and not broken, broken[:20]


@pytest.mark.slow
def test_pictures_and_styles_exist(site: Path) -> None:
    for path in site.rglob("*.html"):
        for target in re.findall(r'<img [^>]*src="([^":?]+)"', path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} shows {target}"


def rows_of(text: str, heading: str) -> list[list[str]]:
    """First cells of the table below a heading."""
    lines = text.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]


def test_the_changelog_has_every_renamed_class_and_field() -> None:
    from rewardax.base import renamed

    text = (ROOT / "CHANGELOG.md").read_text().partition("### Renamed")[2].partition("\n### ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:3] == "| `"]
    missing = [old for old, new in renamed.CLASSES.items() if [f"`{old}`", f"`{new}`"] not in [row[:2] for row in rows]]
    for cls, fields in renamed.FIELDS.items():
        for old, new in fields.items():
            places = [row[2] for row in rows if row[:2] == [f"`{old}`", f"`{new}`"]]
            missing += [] if any(f"`{cls}`" in place for place in places) else [f"{cls}.{old}"]
    assert not missing


def test_the_page_of_ppo_has_every_option_with_its_default() -> None:
    from rewardax.agents import PPOConfig

    table = {row[0].strip("`"): row[1] for row in rows_of((ROOT / "docs/algorithms/ppo.md").read_text(), "Options")}
    defaults = {field.name: field.default for field in dataclasses.fields(PPOConfig)}
    assert table == {name: repr(value) for name, value in defaults.items()}


def test_the_page_of_ppo_has_every_metric_that_a_run_logs() -> None:
    import jax

    from rewardax.agents.ppo import PPOConfig, build_policy, ppo
    from rewardax.agents.rollout import starts
    from rewardax.agents.runs.loop import Record
    from rewardax.agents.samplers.episodes import Episodes
    from rewardax.envs import make, make_pool
    from rewardax.wrappers import EpisodicCount, RewardTransform, Weights, chain

    env, params = make("KeyFarm")
    reward: RewardTransform = chain(count=EpisodicCount(num_keys=64), less=Weights({"count": 0.1}))
    config = PPOConfig(num_envs=2, num_steps=2, minibatches=1, pool=4)
    policy = build_policy(env, env.observation_space(params), env.num_actions, config)
    learner = ppo(policy, config, Episodes(1, 2, env.horizon(params)), budget=1, env=env)

    def run(key: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
        begin = starts(env, params, reward, policy.prepare, make_pool(env, params, config.pool))
        return learner.iterate(learner.init(key, policy.init(key), params, reward, begin), params, reward, begin, 1)[1]

    logged = set(jax.eval_shape(run, jax.random.key(0)))
    named = {"return/count": "return/<component>", "metric/count/posted": "metric/<name>"}
    text = (ROOT / "docs/algorithms/ppo.md").read_text()
    assert {row[0].strip("`") for row in rows_of(text, "Metrics")} == {named.get(name, name) for name in logged}
    assert not [name for name in Record.__annotations__ if f"`{name}`" not in text]


def test_every_method_states_its_paper_its_invariance_and_its_golden_numbers() -> None:
    import generate

    lines = [line.strip("| ").split(" | ") for line in generate.methods().splitlines() if line[:1] == "|"]
    head, _, *rows = lines
    wanted = {name: head.index(name) for name in ("paper", "invariant", "golden numbers")}
    assert len(rows) > 80 and all(len(row) == len(head) for row in rows)
    empty = [(row[0], name) for row in rows for name, at in wanted.items() if not row[at].strip()]
    assert not empty


def test_golden_files_that_docstrings_name_exist() -> None:
    from rewardax.wrappers.core import RewardTransform

    for name, cls in RewardTransform.registry.items():
        if cls.__module__.startswith("rewardax.wrappers") and name != "Chain":
            line = re.search(r"^ *Golden: *(.+)$", cls.__doc__ or "", re.MULTILINE)
            assert line, f"{name} does not say which golden numbers it has; write 'Golden: none' if it has none"
            stems = [] if line[1] == "none" else line[1].split(", ")
            assert not [s for s in stems if not list((ROOT / "tests/golden/data").glob(f"*/{s}.json"))], name


@pytest.mark.slow
def test_pages_of_ours_are_linked(site: Path) -> None:
    front = (site / "index.html").read_text()
    pages = ("quickstart", "concepts", "algorithms/index", "reference/index", "contributing")
    for page in (*pages, "generated/environments/index", "generated/methods/index"):
        assert f'href="{page}.html"' in front


def test_docstring_sections_have_one_form() -> None:
    """``Args:``, ``Returns:``, ``Raises:`` have an indented body; ``Paper: text`` and the like start a line."""
    odd = re.compile(
        r"^(Args|Returns|Raises|Attributes)(:| \(.*\):) *\S|^(Errors|Source|Literature|Arguments|Parameters):|"
        r"(^|\. )(Raises ``|Remembers )|\. (Components|Metrics|Invariant|Golden|Paper): ",
        re.MULTILINE,
    )
    found = []
    for folder in ("src", "envs", "wrappers", "agents", "analysis", "experiments"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    found += [f"{path}: {match[0]}" for match in odd.finditer(ast.get_docstring(node) or "")]
    assert not found, "\n".join(found)


def documented() -> None:
    """Says what it does, with ``code`` and :func:`a.role`.

        F = γΦ' - Φ
        two lines

    Args:
        x: the first
            and more of it.
        y: second

    Raises ``ValueError`` sometimes.

    >>> 1 + 1
    2
    """


def test_docstrings_become_markdown() -> None:
    assert from_docstring(documented) == (
        "Says what it does, with `code` and `a.role`.\n\n"
        "```text\nF = γΦ' - Φ\ntwo lines\n```\n\n"
        "**Args:**\n\n- `x`: the first and more of it.\n- `y`: second\n\n"
        "Raises `ValueError` sometimes.\n\n"
        "```pycon\n>>> 1 + 1\n2\n```"
    )


def test_docstrings_become_restructured_text() -> None:
    """Our one-line fields become fields, equations become literal; the rest is napoleon's."""
    import docstrings

    text = "Say it.\n\n    F = γΦ' - Φ\n\nPaper: one\nand more\nGolden: none\n\nArgs:\n    x: first"
    assert "\n".join(docstrings.equations(docstrings.fields(text.split("\n")))) == (
        "Say it.\n\n::\n\n    F = γΦ' - Φ\n\n\n:Paper: one\n    and more\n:Golden: none\n\nArgs:\n    x: first"
    )


def test_tables_take_the_union_of_keys() -> None:
    assert table([{"a": 1}, {"b_c": True, "a": [0.5, None]}]) == ("| a | b c |\n|---|---|\n| 1 |  |\n| 0.5,  | yes |")
