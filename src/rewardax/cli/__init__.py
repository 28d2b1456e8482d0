"""The ``rewardax`` command: what it can do, and how it answers a mistake.

A mistake in what was asked is one line on stderr and exit code 2; any other exception keeps its traceback.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rewardax.base.errors import UserError
from rewardax.cli.audit import Audit
from rewardax.cli.bench import Bench
from rewardax.cli.certify import Certify
from rewardax.cli.compare import Compare
from rewardax.cli.describe import Describe
from rewardax.cli.listing import List
from rewardax.cli.play import Play
from rewardax.cli.train import Train
from rewardax.cli.watch import Watch

COMMANDS: dict[str, Callable[..., Any]] = {
    "compare": Compare,
    "list": List,
    "play": Play,
    "train": Train,
    "watch": Watch,
    "describe": Describe,
    "certify": Certify,
    "audit": Audit,
    "bench": Bench,
}
ABOUT = "Which reward design learns a sparse task? Environments, rewards and agents to find out."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 a mistake in what was asked; ``certify`` and
    ``audit`` may say 1, ``audit`` also 3, that nothing was tested."""
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
    except UserError as error:
        _complain(" ".join(str(error).split()))
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
