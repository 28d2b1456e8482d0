"""The stubs that list each package's public names are in line with what its modules define."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest
from support.repository import FOLDERS, tracked

from rewardax.base.lazy import attach_stub


def rooms() -> dict[str, Path]:
    """Every package with a stub, with the stub."""
    stubs = [path for path in tracked() if path.name == "__init__.pyi"]
    inside = [(path, part) for path in stubs for part, folder in FOLDERS.items() if path.is_relative_to(folder)]
    return {".".join((part, *path.parent.relative_to(FOLDERS[part]).parts)): path for path, part in inside}


ROOMS = rooms()
each_room = pytest.mark.parametrize("room", ROOMS)


def imports(stub: Path) -> list[tuple[str, str, str | None]]:
    """Module, name and alias of all that a stub imports."""
    nodes = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    return [(node.module or "", alias.name, alias.asname) for node in nodes for alias in node.names]


def test_every_large_package_has_a_stub() -> None:
    assert set(FOLDERS) < set(ROOMS)


@each_room
def test_stub_lists_what_its_modules_define(room: str) -> None:
    package = importlib.import_module(room)
    listed = imports(ROOMS[room])
    assert [(name, alias) for _, name, alias in listed if name != alias] == [], "write 'import A as A'"
    names = {name for _, name, _ in listed}
    assert len(names) == len(listed), "a name is listed twice"
    assert package.__all__ == sorted(package.__all__) and set(package.__all__) - names <= {"__version__"}
    assert names < set(dir(package))
    for module, name, _ in listed:
        value = getattr(importlib.import_module(f"{room}.{module}"), name)
        assert getattr(package, name) is value, name
        if room != "rewardax" and (inspect.isclass(value) or inspect.isfunction(value)):
            assert value.__module__ == f"{room}.{module}", f"{name} is defined elsewhere; name that module"


def test_front_door_shows_names_of_the_rooms() -> None:
    for module, name, _ in imports(ROOMS["rewardax"]):
        assert name in getattr(importlib.import_module(f"rewardax.{module}"), "__all__", [name]), name


def test_every_reward_a_configuration_can_name_is_public() -> None:
    from rewardax import wrappers
    from rewardax.wrappers.config import registered

    ours = {name for name, cls in registered().items() if cls.__module__.startswith("rewardax.")}
    assert len(ours) > 80 and not ours - set(dir(wrappers))


@each_room
def test_missing_name_is_answered_with_what_there_is(room: str) -> None:
    package = importlib.import_module(room)
    with pytest.raises(AttributeError, match=rf"{room} has no 'Nothing'; it has {package.__all__[0]}, "):
        package.Nothing  # noqa: B018
    first = package.__all__[0]
    with pytest.raises(AttributeError, match=rf"did you mean '{first}'\? It has "):
        getattr(package, f"{first}z")
    assert not hasattr(package, "__wrapped__")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package with one name in a nested module, which had another name once."""
    folder = tmp_path / "small_package"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "__init__.py").touch()
    (folder / "inner" / "deep.py").write_text("class New: ...\n")
    (folder / "__init__.pyi").write_text("from .inner.deep import New as New\n")
    (folder / "__init__.py").write_text(
        "from rewardax.base.lazy import attach_stub\n"
        "__getattr__, __dir__, __all__ = attach_stub(__name__, __file__, {'Old': 'New'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("small_package")


def test_earlier_names_import_and_are_not_shown(small: ModuleType) -> None:
    assert small.Old is small.New
    assert small.__all__ == ["New"] and "Old" not in dir(small)


def test_package_without_a_stub_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="non-existent stub"):
        attach_stub("nothing", str(tmp_path / "__init__.py"))
