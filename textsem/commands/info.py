"""Tell versions, devices, bundled models and environment variables, or what a folder holds."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textsem.commands.parsing import command_parser
from textsem.runs.endings import end

__all__ = ["main"]


def parse_arguments(arguments: Sequence[str], *, program: str) -> argparse.Namespace:
    """Read the command line."""
    parser = command_parser(program, __doc__ or "", example="runs/attack_snli")
    parser.add_argument(
        "folder", nargs="?", help="folder of a run, an adversary, an ARAE or a classifier (default: the installation)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem info") -> int:
    """Print what is there; return the exit code.

    Args:
        arguments: The options; None for those of this process.
        program: What was typed before them.
    """
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments, program=program)
    return end(lambda: _tell(options.folder, is_json=options.json))


def _tell(folder: str | None, *, is_json: bool) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from textsem.commands.inventory import describe_folder, describe_installation

    found = describe_installation() if folder is None else describe_folder(folder)
    if is_json:
        print(json.dumps(found, indent=2))
    else:
        for line in _lines(found if folder is not None else _with_short_variables(found)):
            print(line)
    return 0


def _with_short_variables(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with one text for each environment variable."""
    variables = {}
    for name, variable in found["environment"].items():
        state = "not set" if not variable["is_set"] else "set" if variable["value"] is None else variable["value"]
        variables[name] = f"{state} ({variable['meaning']})"
    return {**found, "environment": variables}


def _lines(found: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a line for each value, those within others indented; what is None or empty is left out."""
    for name, value in found.items():
        title = name.replace("_", " ") if name.islower() else name
        if isinstance(value, Mapping) and value:
            yield f"{indent}{title}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and value and name in ("lines", "devices"):
            yield f"{indent}{title}:"
            yield from (f"{indent}  {item}" for item in value)
        elif isinstance(value, bool):
            yield f"{indent}{title}: {'yes' if value else 'no'}"
        elif isinstance(value, list):
            yield f"{indent}{title}: {', '.join(map(str, value)) or 'none'}"
        elif value is not None and value != {}:
            yield f"{indent}{title}: {value}"
