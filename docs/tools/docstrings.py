"""Sphinx extension: our docstrings as reStructuredText, and links to public names wherever a private path is written.

Before napoleon reads ``Args:``, ``Returns:`` and ``Raises:``, the lines ``Paper: ...``, ``Components: ...`` and so on
become fields, indented equations become literal blocks, and roles get the public name of what they speak of. A role
that names something of ours without a page becomes plain code; one that names nothing is left to fail the build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import public_names
from docutils import nodes
from sphinx.addnodes import desc, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.intersphinx import resolve_reference_any_inventory
from sphinx.util.typing import stringify_annotation

SPARED: dict[str, list[str]] = {}  # docstrings of attributes while napoleon is at work
FIELD = re.compile(
    r"(Paper|Invariant|Golden|Components|Metrics|Remembers|Observation|Reward|Features|Subgoals|Differs from [^:]+): "
    r"(.*)"
)
ARRAY_LIKE = stringify_annotation(npt.ArrayLike, "smart")
SECTION = re.compile(r"[A-Z]\w*( \w+)*:$")
ROLE = re.compile(r":(class|func|meth|mod|data|attr|exc|obj):`(~?)([\w.]+)`")


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring in place."""
    if lines and lines[0].startswith("Alias for field number"):
        lines[:] = []
    if base := inherited_from(obj):
        lines[:] = [f"As in {base}."]
    lines[:] = [ROLE.sub(lambda match: role(match, obj), line) for line in equations(fields(lines))]
    if what in ("attribute", "data", "property"):
        SPARED[name] = list(lines)
        lines[:] = []


def sign(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """``ArrayLike`` by its name, and defaults that no source text gives, such as ``<factory>``, as an ellipsis."""
    if signature:
        signature = re.sub(r"= ?<[^<>]*>", "= ...", signature).replace(ARRAY_LIKE, "~numpy.typing.ArrayLike")
    return signature, returned


def restore(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Napoleon would take what stands before the first colon of an attribute's docstring for its type."""
    lines[:] = SPARED.pop(name, lines)


def inherited_from(obj: Any) -> str | None:
    """Whose docstring a method without its own would show, if that is another package's or a plain value's."""
    function, owner = public_names.plain(obj), public_names.owner_of(obj)
    if owner is None or function.__doc__:
        return None
    name = function.__name__
    for base in owner.__mro__[1:]:
        if name in vars(base):
            value, package = vars(base)[name], base.__module__.partition(".")[0]
            if package != "rewardax":
                return f"``{package}.{base.__name__}.{name}``"
            if public_names.plain(value) is value and not callable(value):
                return f":attr:`{base.__name__}.{name}`"
            if public_names.plain(value).__doc__:
                return None
    return None


def fields(lines: list[str]) -> Iterator[str]:
    """``Paper: text`` with its further lines as ``:Paper: text``, and ``Returns:`` as ``:returns:``.

    Napoleon would take what stands before the first colon of a result's description for its type.
    """
    inside = False
    for line in lines:
        line = ":returns:" if line == "Returns:" else line
        match = FIELD.match(line)
        if match:
            if not inside:
                yield ""
            inside = True
            yield f":{match[1]}: {match[2]}"
        else:
            if not line.strip():
                inside = False
            yield f"    {line}" if inside else line


def equations(lines: Iterator[str]) -> Iterator[str]:
    """Indented paragraphs below ordinary text are literal; those of sections and lists belong to them."""
    ordinary, blank = True, True
    for line in lines:
        indented = line.startswith("    ")
        if indented and blank and ordinary:
            yield "::"
            yield ""
            ordinary = False  # further paragraphs of the same block
        elif line.strip() and not indented:
            ordinary = not (SECTION.match(line) or line.startswith(("- ", ">>>", ":", "..")) or line.endswith("::"))
        blank = not line.strip()
        yield line


def role(match: re.Match[str], obj: Any) -> str:
    """A role with the public name of what it speaks of."""
    kind, short, target = match.groups()
    value, public = public_names.find(target, obj)
    shown = target.rpartition(".")[2] if short else target
    if public:
        return f":{kind}:`{shown} <{public}>`"
    return match[0] if value is public_names.MISSING else f"``{shown}``"


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement) -> nodes.Element | None:
    """Types in signatures carry private or short names; they link to the public one, or to nothing if there is none."""
    if node.get("refdomain") != "py":
        return None
    value, public = public_names.find(node["reftarget"], described(node))
    if public:
        return env.domains.python_domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, shown)
    if value is public_names.MISSING:
        return None
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    if "._" in node["reftarget"]:
        shown = nodes.inline(text=name.rpartition(".")[2])
    node["reftarget"] = f"{module}.{name}"
    return resolve_reference_any_inventory(env, True, node, shown) or shown


def described(node: nodes.Node) -> Any:
    """The class or function in whose entry a node stands."""
    while node is not None and not isinstance(node, desc):
        node = node.parent
    return node and public_names.find(f"{node[0]['module']}.{node[0]['fullname']}")[0]


def source(app: Sphinx, module: str) -> tuple[str, dict[str, Any]] | None:
    """No source of the errors: they stand under two packages, and viewcode would link all of them to the first."""
    return ("", {}) if module == "rewardax.base.errors" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)
    app.connect("autodoc-process-signature", sign)
    app.connect("missing-reference", resolve)
    app.connect("viewcode-find-source", source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
