"""The options by which a command writes the lines of a run as tables too."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["add_export", "write_tables"]

FORMATS = ("csv", "parquet")
ROWS = ("all", "successes")


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add ``--export`` and ``--rows``; without them they are None."""
    parser.add_argument(
        "--export",
        nargs="+",
        choices=FORMATS,
        default=None,
        help="write the lines as tables too, results.csv or results.parquet (default: neither)",
    )
    parser.add_argument("--rows", choices=ROWS, default=None, help="which lines --export writes (default: all)")


def write_tables(folder: Path, formats: Sequence[Any] | None, rows: Any) -> list[Path]:
    """Write the tables that were asked for and return their paths."""
    if not formats:
        return []
    from textsem.evaluation.exports import export_results
    from textsem.evaluation.reporting import whole_lines

    with whole_lines(folder) as results:
        return export_results(folder, results, formats, rows=rows or "all")
