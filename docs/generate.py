"""Writes the pages that repeat the code: tasks from their cards, methods and functions from docstrings."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import shutil
from pathlib import Path
from typing import Any

from markdown_text import from_docstring, table

GOLDEN = Path(__file__).resolve().parents[1] / "tests/golden/data"
TASKS = Path(__file__).parent / "tasks"  # written by transcripts.py
PACKAGES = ("rewardax", "rewardax.envs", "rewardax.wrappers", "rewardax.agents", "rewardax.analysis")
PACKAGES += ("rewardax.experiments", "rewardax.envs.foreign")


def write_pages(folder: Path) -> None:
    """Write every generated page into ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, pages in {"environments": environments(), "methods": methods(), "api": functions()}.items():
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
    raise ValueError(f"no picture or transcript of {family}; run: python docs/transcripts.py {family}")


def methods() -> dict[str, str]:
    """The table of all methods, and one page a module of reward transforms."""
    from rewardax.wrappers.config import registered
    from rewardax.wrappers.core import Chain, RewardTransform

    modules: dict[str, list[type]] = {}
    for cls in registered().values():
        if issubclass(cls, RewardTransform) and cls.__module__.startswith("rewardax.wrappers"):
            modules.setdefault(cls.__module__, []).append(cls)
    pages, rows = {}, []
    for module, classes in sorted(modules.items()):
        short = module.rpartition(".")[2]
        head = from_docstring(importlib.import_module(module))
        parts = [f"# {short}\n\n{head}\n"]
        for cls in classes:
            if cls is not Chain:
                rows.append(method_row(cls, short))
            parts.append(f"## {cls.__name__}\n\n{fields_of(cls)}{from_docstring(cls, level=3)}\n")
        pages[short] = "\n".join(parts)
    return {"index": METHODS + table(rows) + "\n\n" + toctree(list(pages)), **pages}


METHODS = """# Methods

Every reward transform.

- *Invariant*: whether it keeps the optimal policies of the task.
- *Remembers*: memory that starts afresh with every episode (episode), that each environment keeps (env), or that is
  shared by all for the whole run (shared).
- *Runs*: "everywhere" means in the Gymnasium wrappers and in compiled training; "hindsight" methods rewrite finished
  rollouts, in compiled training and `rewardax.wrappers.replay` only.
- *Golden numbers*: made by executing the authors' released code, by an independent float64 reference written from the
  paper, or both.

"""


def method_row(cls: type, page: str) -> dict[str, str]:
    """What the table says about one transform, read from its docstring, its example and the golden files."""
    example = cls.examples()[0]
    text = inspect.getdoc(cls) or ""
    return {
        "method": f"[{cls.__name__}]({page}.md#{cls.__name__.lower()})",
        "what it does": text.partition("\n")[0],
        "paper": stated(text, "Paper"),
        "family": page.replace("_", " "),
        "invariant": stated(text, "Invariant"),
        "components": components_of(example),
        "remembers": remembered(example),
        "runs": "everywhere" if example.causal else "hindsight",
        "golden numbers": golden(stated(text, "Golden")),
    }


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
    told = []
    for stem in stems.split(","):
        for path in GOLDEN.glob(f"*/{stem.strip()}.json"):
            document = json.loads(path.read_text())
            cases = [case.get("origin", "") for case in document["cases"]]
            origins = " ".join([document.get("origin", ""), *cases]).lower()
            signs = {"released code": "official", "reference": "reference"}
            kinds = [kind for kind, sign in signs.items() if sign in origins]
            told.append(f"{stem.strip()} ({' and '.join(kinds) or 'reference'})")
    return ", ".join(told) or "none"


def fields_of(cls: type) -> str:
    """The arguments of a transform with their defaults, as code."""
    told = []
    for field in dataclasses.fields(cls):
        default = "" if field.default is dataclasses.MISSING else f"={plain(field.default)}"
        told.append(f"{field.name}{default}")
    return f"```python\n{cls.__name__}({', '.join(told)})\n```\n\n"


def plain(value: Any) -> str:
    """A default as one would write it, without addresses."""
    return getattr(value, "__name__", None) or re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def functions() -> dict[str, str]:
    """One page a package with everything public in it."""
    pages = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        parts = [f"# {package}\n\n{from_docstring(module)}\n"]
        for name in sorted(getattr(module, "__all__", ())):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isroutine(value):
                parts.append(f"## {name}\n\n{signature(name, value)}{from_docstring(value, level=3)}\n")
        pages[package] = "\n".join(parts)
    return {"index": "# Public names\n\n" + toctree(list(pages)), **pages}


def signature(name: str, value: Any) -> str:
    """How a function is called, as code; classes show it in their docstring."""
    if inspect.isclass(value):
        return ""
    parameters = inspect.signature(value).parameters.values()
    told = ", ".join(str(p.replace(annotation=p.empty)) for p in parameters)
    return f"```python\n{name}({re.sub(r' at 0x[0-9a-f]+', '', told)})\n```\n\n"


def matrix(tasks: list[str] | None = None) -> str:
    """Predicted outcomes as a table: designs down, tasks across; a minute or two for all tasks."""
    from rewardax.analysis import outcome_matrix

    rows: dict[str, dict[str, str]] = {}
    for found in outcome_matrix(tasks):
        told = found.verdict
        if found.verdict in ("farms", "hacks"):
            told += f" ({found.performance:.5g} of {found.best:.5g})"
        rows.setdefault(found.design, {"reward design": found.design})[found.task] = told
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
    rewrite_matrix(Path(__file__).parent / "matrix.md")
