"""The digest of a class follows the file it comes from."""

from __future__ import annotations

import importlib
import sys

import pytest

from rewardax.base.sources import source_digests
from rewardax.wrappers import Clip, Potential, chain
from rewardax.wrappers.config import code_of

pytestmark = pytest.mark.quick

BASE = "from rewardax.wrappers import RewardTransform\n\nclass Base(RewardTransform):\n    size: float = 1.0\n"
MINE = "from their_base import Base\n\nclass Mine(Base):\n    pass\n\ndef phi(observation, features):\n    return 0.0\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "their_base.py").write_text(BASE)
    (tmp_path / "my_file.py").write_text(MINE)
    yield tmp_path
    for name in ("their_base", "my_file"):
        sys.modules.pop(name, None)


def digests():
    for name in ("their_base", "my_file"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    module = importlib.import_module("my_file")
    return source_digests(code_of(chain(mine=module.Mine(), ours=Clip(), shaping=Potential(phi=module.phi))))


def test_what_is_a_user_s_own_is_named_and_what_is_ours_is_not(files):
    assert list(digests()) == ["my_file:Mine", "my_file:phi", "their_base:Base"]


@pytest.mark.parametrize(("file", "changed"), [("my_file.py", 2), ("their_base.py", 1)])
def test_an_edited_file_changes_the_digests_of_what_it_holds(files, file, changed):
    before = digests()
    assert digests() == before
    (files / file).write_text((files / file).read_text() + "\nHELP = 2.0\n")
    after = digests()
    assert sum(before[name] != after[name] for name in before) == changed


def test_what_has_no_source_is_left_out():
    space = {"__name__": "typed_in"}
    exec("class Typed:\n    pass\n", space)
    assert source_digests([space["Typed"], int, len, None]) == {}
