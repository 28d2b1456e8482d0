"""Commands: what can be said, and the operators that each of them stands for."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.language.parser import Command, normalize, parse
from rewardax.envs.text.engine.words import NOT_A_COMMAND
from rewardax.envs.text.strips.grammar import Grammar
from rewardax.envs.text.strips.ground import Task

LOOK = "look"


class Commands(NamedTuple):
    """Sentences in the order of the actions, the operators of each, and first words."""

    said: tuple[str, ...]  # without "look", which is always the last action
    ways: tuple[tuple[int, ...], ...]
    verbs: tuple[str, ...]


def merge(task: Task, grammar: Grammar, apart: np.ndarray) -> Commands:
    """Operators with the same command become one action.

    Raises:
        UserError: if two of them can be possible at once, if the parser could not tell two commands apart or if it
            would not read a command as one.
    """
    ways: dict[str, list[int]] = {}
    for i, operator in enumerate(task.operators):
        ways.setdefault(" ".join(grammar.command(operator).lower().split()), []).append(i)
    for said, same in ways.items():
        for n, i in enumerate(same):
            for j in same[:n]:
                clash = apart[np.ix_(task.yes[i], task.yes[j])].any()
                if not clash and not (task.yes[i] & task.no[j]).any() and not (task.no[i] & task.yes[j]).any():
                    first, second = (
                        f"({' '.join([task.operators[k].schema, *task.operators[k].names])})" for k in (j, i)
                    )
                    raise UserError(f"{said!r} could mean {first} and {second} at once; give them different commands")
    verbs = _check([*ways, LOOK])
    return Commands(tuple(ways), tuple(map(tuple, ways.values())), verbs)


def _check(commands: list[str]) -> tuple[str, ...]:
    heard: dict[str, str] = {}
    firsts = [word for said in commands for word in (said.split()[:1] + normalize(said).split()[:1])]
    verbs = tuple(dict.fromkeys(firsts))
    for said in commands:
        if not re.match(r"[a-z0-9]+( |$)", said):
            raise UserError(f"the command {said!r} does not begin with a word of letters and digits")
        other = heard.setdefault(normalize(said), said)
        if other != said:
            raise UserError(f"the parser cannot tell {other!r} from {said!r}; give them different words")
        action, reason = parse(said, [Command(0, (said,), True)], lambda action: NOT_A_COMMAND, "none", verbs)
        if action is None:
            raise UserError(f"the parser does not read {said!r} as one command: {reason}")
    if len(heard) < len(commands):
        raise UserError(f"{LOOK!r} is a command of every game; give the action another one")
    return verbs
