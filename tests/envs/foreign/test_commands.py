"""Commands written to games of others: what is sent, what is refused, and that it is one at a time."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_games import Game, play

from rewardax.envs.foreign import ForeignTextEnv
from rewardax.envs.foreign.engine import LONGEST_COMMAND, Refused, sanitize
from rewardax.envs.gym.program import CHARSET


def game(options: Any = None, **answers: Any) -> ForeignTextEnv:
    return ForeignTextEnv(Game(**answers), features="all", **(options or {}))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("go east. jump", 3),
        ("go east.jump", 3),
        ("go east\njump", 3),
        ("go east; jump", 3),
        ("go east then jump", 3),
        ("go east, then jump", 3),
        ("undo", 3),
        ("UNDO.", 3),
        ("x" * (LONGEST_COMMAND + 1), 3),
        ("", 2),
        (" \n ", 2),
        ("go \u00e9ast", 2),
        ("go\x07east", 2),
        (7, 2),
        (None, 2),
    ],
)
def test_refused_commands_are_never_sent(line: Any, reason: int) -> None:
    env = game({"actions": "text"})
    step = play(env, line)[-1]
    assert env.engine.sent == [] and step[1:4] == (0.0, False, False)  # type: ignore[attr-defined]
    assert step[-1]["features"]["invalid_reason"] == reason and not step[-1]["features"]["valid"]
    assert env.step("  go   east ")[1] == pytest.approx(1 / 3)
    assert env.engine.sent == ["go east"]  # type: ignore[attr-defined]


LISTED = ("go north", "take 3.5 mm cable", "talk to mr. brown", "undo the knot", "ouvrir la cl\u00e9", "wait then jump")


@pytest.mark.parametrize("command", LISTED)
def test_what_a_game_lists_is_sent_as_it_is_listed(command: str) -> None:
    env = game({"actions": "text"}, admissible=LISTED)
    for written in (command, f" {command.upper()}. ", f"Action: {command}", f'{{"action": "{command}"}}'):
        assert play(env, written)[-1][-1]["command"] == command, written
    assert play(env, "ouvrir la cle")[-1][-1]["command"] == "ouvrir la cl\u00e9"
    assert play(env, "undo")[-1][-1]["features"]["invalid_reason"] == 3


WRITTEN = (
    "Action: go east",
    "**Action:** `go east`",
    "Command:\ngo east",
    "Thought: east is new, jump is not.\nAction: go east\nReason: then I may jump",
    '{"thought": "jump?", "action": "go east"}',
    '```json\n{"name": "act", "arguments": {"command": "Go east."}}\n```',
    "<action>go east</action>",
    "I have not been there.\ngo east",
    "I have not been there. go east",
    "go east because I have not been there",
    "go east (nobody has been there)",
    "go east - it is new",
    "Go east, since it is new. I hope for a door.",
    '"go east"',
)
TWO = (
    "go east\njump",
    "go east and jump",
    "go east & jump",
    "go east. Jump!",
    "Action: go east\nAction: jump",
    "Action: go east, jump",
    "Action: go east\njump",
    '{"action": ["go east", "jump"]}',
    '{"action": "go east"} {"action": "jump"}',
    "go east (then jump)",
    "go east because it is new. Jump",
    "go east" + " " * 300 + "and then jump",
    "go east because " + "it is new " * 40 + ". jump",
)


@pytest.mark.parametrize("written", WRITTEN)
def test_a_command_is_found_in_what_models_write(written: str) -> None:
    assert play(game({"actions": "text"}), written)[-1][-1]["command"] == "go east"


@pytest.mark.parametrize("written", TWO)
def test_two_commands_are_refused_wherever_the_second_stands(written: str) -> None:
    step = play(game({"actions": "text"}), written)[-1]
    assert step[-1]["command"] == "" and step[-1]["features"]["invalid_reason"] == 3


def test_a_game_without_a_list_is_sent_what_was_marked() -> None:
    env = game({"actions": "text"}, admissible=None)
    assert play(env, "Thought: hm.\nAction: dance wildly\nReason: fun")[-1][-1]["command"] == "dance wildly"
    assert play(env, "Action: dance\njump")[-1][-1]["command"] == ""


def test_slots_are_whole_numbers() -> None:
    for action in (0.0, "1", None):
        with pytest.raises(TypeError, match="an action is a whole number from 0 to 47, not"):
            play(game(), action)


def test_refused_commands_take_time() -> None:
    env = game({"actions": "text", "max_steps": 2})
    assert [step[3] for step in play(env, "undo", "undo")[1:]] == [False, True]


def test_nothing_is_evaluated() -> None:
    env = game({"actions": "text"})
    line = "__import__('sys').modules.clear() or {0.__class__} %s $(reboot)"
    assert play(env, line.replace(".", "_"))[-1][-1]["command"] == line.replace(".", "_")
    assert "sys" in sys.modules


@given(st.text(max_size=300))
def test_any_text_is_sent_clean_or_refused(line: str) -> None:
    found = sanitize(line, Game())
    if isinstance(found, Refused):
        assert found.reason in (2, 3) and found.text
    else:
        assert found and len(found) <= LONGEST_COMMAND and set(found) <= set(CHARSET) - {"\n"}
        assert sanitize(found, Game()) == found
