"""Commands with commands under them: ``textsem``, and ``textsem train``."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from textsem import __version__

__all__ = ["Choice", "run_choice"]


@dataclass(frozen=True)
class Choice:
    """A command.

    Args:
        module: The module with its ``main``, which is imported if it is chosen.
        summary: What it does, for the list of commands.
    """

    module: str
    summary: str


class CommandModule(Protocol):
    """A module of this package that is a command."""

    def main(self, arguments: Sequence[str] | None = None, *, program: str) -> int:
        """Do what the options say and return the exit code."""
        ...


def run_choice(arguments: Sequence[str], choices: Mapping[str, Choice], *, program: str, summary: str) -> int:
    """Run the command that the first argument names with the other ones; return its exit code.

    Args:
        arguments: All that was typed after ``program``.
        choices: By name.
        program: What was typed before.
        summary: What the commands have in common, a sentence.
    """
    if arguments and arguments[0] in choices:
        name, *rest = arguments
        module = cast(CommandModule, import_module(choices[name].module))
        return module.main(rest, program=f"{program} {name}")
    parser = argparse.ArgumentParser(
        program, description=summary, epilog=f"{program} COMMAND --help tells a command's options."
    )
    parser.add_argument("--version", action="version", version=f"textsem {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, choice in choices.items():
        commands.add_parser(name, help=choice.summary, add_help=False)
    parser.parse_args(arguments)
    raise AssertionError("expected the parser to end where no command is named")
