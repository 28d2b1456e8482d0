"""Writes the pages that repeat the code: one for each family of tasks, from its card, and the table of all methods."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
from pathlib import Path
from typing import Any

from markdown_text import from_docstring, inline, table

DOCS = Path(__file__).resolve().parents[1]
GOLDEN = DOCS.parent / "tests/golden/data"
TASKS = DOCS / "tasks"  # written by transcripts.py


def write_pages(folder: Path) -> None:
    """Write every generated page into ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, pages in {"environments": environments(), "methods": {"index": methods()}}.items():
        (folder / name).mkdir(parents=True)
        for page, text in pages.items():
            (folder / name / f"{page}.md").write_text(text)


def environments() -> dict[str, str]:
    """One page a family of tasks, and the table that leads to them."""
    from rewardax.envs import PRESETS, card

    families: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        families.setdefault(preset.entry, []).append(name)
    pages, rows = {}, []
    for entry, names in families.items():
        module, _, cls = entry.partition(":")
        env = getattr(importlib.import_module(module), cls)
        facts = card(env.family)
        rows.append({"family": f"[{env.family}]({env.family}.md)", "question": facts.get("question", "")})
        presets = [{"id": f"`rewardax/{name}-v0`", **facts["presets"].get(name, {})} for name in names]
        plain = {key: value for key, value in facts.items() if key not in ("family", "presets")}
        about = from_docstring(env)
        pages[env.family] = (
            f"# {env.family}\n\n{about}\n\n{impression(env.family)}\n\n## Card\n\n"
            + table([{"fact": key.replace("_", " "), "value": value} for key, value in plain.items()])
            + "\n\n## Registered ids\n\n"
            + table(presets)
            + "\n"
        )
    listing = table(rows) + "\n\n" + toctree(list(pages))
    return {"index": "# Environments\n\n" + listing, **pages}


def impression(family: str) -> str:
    """A picture of a level, or what is seen and said in an episode. Raises ``ValueError`` where there is neither."""
    for path in TASKS.glob(f"*/{family}.*"):
        if path.suffix == ".png":
            return f"## Picture\n\n![A level of {family}](../../tasks/{path.parent.name}/{path.name})"
        return f"## Transcript\n\n```text\n{path.read_text()}```"
    raise ValueError(f"no picture or transcript of {family}; run: python docs/tools/transcripts.py {family}")


def methods() -> str:
    """The table of all methods, each linked to its entry in the reference."""
    from rewardax.wrappers.config import registered
    from rewardax.wrappers.core import Chain, RewardTransform

    ours = [
        cls
        for cls in registered().values()
        if issubclass(cls, RewardTransform) and cls.__module__.startswith("rewardax.wrappers") and cls is not Chain
    ]
    return METHODS + table([method_row(cls) for cls in sorted(ours, key=lambda cls: cls.__module__)]) + "\n"


METHODS = """# Methods

Every reward transform.

- *Invariant*: whether it keeps the optimal policies of the task.
- *Remembers*: memory that starts afresh with every episode (episode), that each environment keeps (env), or that is
  shared by all for the whole run (shared).
- *Runs*: "everywhere" means in the Gymnasium wrappers and in compiled training; "hindsight" methods rewrite finished
  rollouts, in compiled training and `rewardax.wrappers.replay` only.
- *Try it*: built-in designs with the method, and a task that suits them: `rewardax compare --designs sparse ride --env
  DoorKey-5x5`.
- *Golden numbers*: made by executing the authors' released code, by an independent float64 reference written from the
  paper, or both.

"""


def method_row(cls: type) -> dict[str, str]:
    """What the table says about one transform, read from its docstring, its example and the golden files."""
    example = cls.examples()[0]
    text = inspect.getdoc(cls) or ""
    return {
        "method": f"{{py:class}}`~rewardax.wrappers.{cls.__name__}`",
        "what it does": inline(text.partition("\n")[0]),
        "paper": stated(text, "Paper"),
        "family": cls.__module__.split(".")[2],
        "invariant": stated(text, "Invariant"),
        "components": components_of(example),
        "remembers": remembered(example),
        "runs": "everywhere" if example.causal else "hindsight",
        "golden numbers": golden(stated(text, "Golden")),
        "try it": tried(cls.__name__),
    }


def tried(method: str) -> str:
    """The built-in designs that a method is in, with the task each of them suits."""
    from rewardax.experiments import BUILT_IN, method_designs
    from rewardax.experiments.library import built_in

    shared = {name: built_in(name, "") or {} for name in BUILT_IN}
    sign = f'"type": "{method}"'
    named = [(name, x) for name, x in {**shared, **method_designs()}.items() if sign in json.dumps(x.get("reward"))]
    return ", ".join(f"`--designs {name} --env {x.get('task', 'DoorKey-5x5')}`" for name, x in named[:2])


def stated(text: str, field: str) -> str:
    """The line of a docstring that starts with ``field:``, with its continuation."""
    found = re.search(rf"^{field}:\s*(.*?)(?=\n\s*\n|\n[A-Z][A-Za-z ]*:|\Z)", text, re.M | re.S)
    return re.sub(r"\s+", " ", found[1]).strip() if found else ""


def components_of(example: Any) -> str:
    """Components a transform posts or rewrites."""
    named = getattr(example, "components", None) or getattr(example, "component", None) or ""
    return ", ".join([named] if isinstance(named, str) else list(named))


def remembered(example: Any) -> str:
    """Lifetimes of the memory a transform keeps."""
    import jax

    from rewardax.wrappers.contract.data import sample_rollout

    step = jax.tree.map(lambda x: x[0], sample_rollout(example.requires, 2, 2))
    state = jax.eval_shape(example.init, jax.random.key(0), step)
    kept = [name for name in ("episode", "env", "shared") if jax.tree.leaves(getattr(state, name))]
    return ", ".join(kept) or "nothing"


def golden(stems: str) -> str:
    """The golden files a docstring names, with where their numbers come from."""
    found = []
    for stem in stems.split(","):
        for path in GOLDEN.glob(f"*/{stem.strip()}.json"):
            document = json.loads(path.read_text())
            cases = [case.get("origin", "") for case in document["cases"]]
            origins = " ".join([document.get("origin", ""), *cases]).lower()
            signs = {"released code": "official", "reference": "reference"}
            kinds = [kind for kind, sign in signs.items() if sign in origins]
            found.append(f"{stem.strip()} ({' and '.join(kinds) or 'reference'})")
    return ", ".join(found) or "none"


def matrix(tasks: list[str] | None = None) -> str:
    """Predicted outcomes as a table: designs down, tasks across; a minute or two for all tasks."""
    from rewardax.analysis import outcome_matrix

    rows: dict[str, dict[str, str]] = {}
    for found in outcome_matrix(tasks):
        text = found.verdict
        if found.verdict in ("farms", "hacks"):
            text += f" ({found.performance:.5g} of {found.best:.5g})"
        rows.setdefault(found.design, {"reward design": found.design})[found.task] = text
    return table(list(rows.values()))


def rewrite_matrix(page: Path) -> None:
    """Put a fresh :func:`matrix` between the marks of a page."""
    head, mark, rest = page.read_text().partition("<!-- matrix -->\n")
    tail = rest.partition("<!-- end of matrix -->")
    page.write_text(f"{head}{mark}{matrix()}\n{tail[1]}{tail[2]}")


def toctree(pages: list[str]) -> str:
    """A hidden table of contents, so that the pages appear in the side bar."""
    return "```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"


if __name__ == "__main__":
    rewrite_matrix(DOCS / "matrix.md")
