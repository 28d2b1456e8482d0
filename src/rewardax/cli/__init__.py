"""The ``rewardax`` command. A mistake in what was asked is one line on stderr and exit code 2."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rewardax.cli.audit import Audit
from rewardax.cli.bench import Bench
from rewardax.cli.certify import Certify
from rewardax.cli.compare import Compare
from rewardax.cli.describe import Describe
from rewardax.cli.listing import List
from rewardax.cli.play import Play
from rewardax.cli.train import Train

COMMANDS: dict[str, Callable[..., Any]] = {
    "compare": Compare,
    "list": List,
    "play": Play,
    "train": Train,
    "describe": Describe,
    "certify": Certify,
    "audit": Audit,
    "bench": Bench,
}
ABOUT = "Which reward design learns a sparse task? Environments, rewards and agents to find out."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 a mistake in what was asked; ``certify`` and
    ``audit`` may say 1."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if arguments == ["--version"]:
        from rewardax import __version__

        print(__version__)
        return 0
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            command = parse(arguments)
    except SystemExit as stop:
        if stop.code:
            _complain(_one_line(captured.getvalue()))
        return int(stop.code or 0)
    try:
        return command.run() or 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not _is_users_mistake(error):
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        _complain(" ".join(str(message).split()))
        return 2


def parse(arguments: Sequence[str]) -> Any:
    """The command that was asked for; wrong arguments exit with code 2, help with 0."""
    import tyro

    return tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="rewardax",
        description=ABOUT,
        args=arguments,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )


def _is_users_mistake(error: Exception) -> bool:
    """Whether one of our own checks refused what was asked, rather than some code failing further down."""
    import gymnasium

    if isinstance(error, gymnasium.error.Error | OSError | ModuleNotFoundError):
        return True
    if not isinstance(error, KeyError | TypeError | ValueError) or error.__traceback__ is None:
        return False
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame
    raised_by_us = str(code.f_globals.get("__name__", "")).partition(".")[0] == "rewardax"
    return raised_by_us and _line(Path(code.f_code.co_filename), trace.tb_lineno).startswith("raise ")


def _line(path: Path, number: int) -> str:
    lines = path.read_text().splitlines() if path.is_file() else []
    return lines[number - 1].strip() if number <= len(lines) else ""


def _one_line(box: str) -> str:
    """The sentence inside tyro's framed message, without the help texts below it."""
    sections: list[list[str]] = [[]]
    for row in box.splitlines()[1:-1]:
        inside = row.strip("│ ")
        if inside and set(inside) == {"─"}:
            sections.append([])
        else:
            sections[-1].append(inside)
    said = [" ".join(sections[0])]
    for rows in sections[1:]:
        if rows and rows[0].startswith("Perhaps you meant"):
            said.append(f"Perhaps you meant {rows[1]}?" if len(rows) > 1 else "")
        elif rows and rows[0].startswith("Available"):
            said.append(" ".join(rows))
    return ". ".join(text.strip() for text in said if text.strip())


def _complain(sentence: str) -> None:
    print(f"rewardax: error: {sentence}", file=sys.stderr)
