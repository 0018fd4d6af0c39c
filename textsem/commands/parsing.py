"""What all command lines share: how a parser is made, and how a model card names the command."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

__all__ = ["add_label_order", "command_parser", "shown_command"]


def command_parser(
    program: str, summary: str, *, example: str, argument_default: str | None = None
) -> argparse.ArgumentParser:
    """Return a parser whose help shows an example.

    Args:
        program: What is typed before the options: ``textsem attack``, or ``python scripts/attack_snli.py``.
        summary: What the command does, a sentence.
        example: Its options in the example; further lines are indented.
        argument_default: What an option is that was not given; ``argparse.SUPPRESS`` for nothing at all.
    """
    return argparse.ArgumentParser(
        Path(program).name,  # a script by its file's name alone
        description=f"{summary}\n\nExample:\n    {program} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argument_default,
    )


class _LabelOrder(argparse.Action):
    """Takes the names of two or three classes."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if len(values) not in (2, 3):
            parser.error(f"argument {option_string}: expected 2 or 3 names, got {len(values)}")
        setattr(namespace, self.dest, values)


def add_label_order(parser: argparse.ArgumentParser, summary: str, *, option: str = "--label-order") -> None:
    """Add an option that takes the names of two or three classes."""
    parser.add_argument(option, nargs="+", metavar="NAME", action=_LabelOrder, help=summary)


def shown_command(program: str, arguments: Sequence[str]) -> str:
    """Return the command for a model card, which names no folder of a machine, and of an address no secrets."""
    return f"{program} {shlex.join(map(_shown, arguments))}"


def _shown(argument: str) -> str:
    from textsem.training.adversary_report import file_name

    option, mark, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    if value.lower().startswith(("http://", "https://")):
        address = urlsplit(value)
        return option + mark + urlunsplit((address.scheme, address.netloc.rpartition("@")[2], address.path, "", ""))
    return file_name(argument)
