"""Make summary.json and report.html of a run anew from its lines, finished or not; the target is not asked."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textsem.commands.exporting import add_export, write_tables
from textsem.commands.parsing import command_parser
from textsem.runs.devices import check_device
from textsem.runs.endings import end

__all__ = ["main", "parse_options"]

# Of judges alone, which this command asks only if they are named.
ONLY_WITH_JUDGES = ("sentence_encoder", "model", "device", "batch_size")


def parse_options(arguments: Sequence[str], *, program: str) -> dict[str, Any]:
    """Return the options that were given; ``folder``, ``judges``, ``export`` and ``rows`` always."""
    parser = command_parser(
        program, __doc__ or "", example="runs/attack_snli --export csv", argument_default=argparse.SUPPRESS
    )
    add = parser.add_argument
    add("folder", metavar="RUN", help="folder with results.jsonl, and what else the run has left there")
    add("--judges", nargs="+", metavar="NAME", default=None, help="judge the lines anew by these; the first one scores")
    add("--sentence-encoder", metavar="NAME", help="of --judges: measures similarity (TEXTSEM_SENTENCE_ENCODER)")
    add("--model", help="of --judges: adversary whose trigram measures fluency (default: bundled)")
    add("--device", help="of --judges: where they run (default: cpu)")
    add("--batch-size", type=int, help="of --judges: most rows in one forward pass (default: 64)")
    add("--min-similarity", type=float, help="smallest similarity of a valid success (default: as before, else 0.8)")
    add("--max-perplexity-ratio", type=float, help="largest perplexity over the original's (default: likewise, else 2)")
    add("--controls", nargs="+", metavar="DIR", help="runs to be set against (default: those of the run's settings)")
    add_export(parser)
    options = vars(parser.parse_args(arguments))
    alone = [f"--{name.replace('_', '-')}" for name in ONLY_WITH_JUDGES if name in options]
    if alone and not options["judges"]:
        parser.error(f"argument {alone[0]}: expected --judges beside it")
    if options["rows"] and not options["export"]:
        parser.error("argument --rows: expected --export beside it")
    return options


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem report") -> int:
    """Write summary and page, and tell in a few lines what they say; return the exit code.

    Args:
        arguments: The options; None for those of this process.
        program: What was typed before them.
    """
    options = parse_options(sys.argv[1:] if arguments is None else arguments, program=program)
    return end(lambda: _report(**options), kept="the lines are as they were")


def _report(
    folder: str, *, judges: Sequence[str] | None, export: Sequence[str] | None, rows: str | None, **options: Any
) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.judged_folders import JudgeResultsConfig, judge_folders
    from textsem.evaluation.reporting import REPORT_NAME, ReportConfig, remake_report
    from textsem.evaluation.results import SUMMARY_NAME

    check_device(options.get("device"))
    if judges:
        (summary,) = judge_folders(JudgeResultsConfig((folder,), tuple(judges), **options))
    else:
        summary = remake_report(ReportConfig(folder, **options))
    tables = write_tables(Path(folder), export, rows)
    if summary.get("notice"):
        print(f"notice: {summary['notice']}")
    print(summary["headline"])
    statuses = ", ".join(f"{count} {status}" for status, count in summary["statuses"].items() if count)
    print(f"{summary['n']} pairs ({statuses})")
    for path in (Path(folder, SUMMARY_NAME), Path(folder, REPORT_NAME), *tables):
        print(path)
    return 0
