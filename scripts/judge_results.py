#!/usr/bin/env python
"""Judge finished runs: which of their flips are valid successes.

Example:
    python scripts/judge_results.py runs/attack_snli --judges path/to/judge --sentence-encoder path/to/encoder
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``JudgeResultsConfig``."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("folders", nargs="+", metavar="DIR", help="folder of a finished run: results.jsonl, and summary.json if any")
    add("--judges", nargs="+", required=True, metavar="NAME", help="NLI models by name or folder; the first one scores")
    add("--sentence-encoder", metavar="NAME", help="measures similarity (default: TEXTSEM_SENTENCE_ENCODER)")
    add("--min-similarity", type=float, help="smallest similarity of a valid success (default: 0.8)")
    add("--max-perplexity-ratio", type=float, help="largest perplexity over the original's (default: 2)")
    add("--model", help="adversary whose trigram measures fluency: bundled, or a folder (default: bundled)")
    add("--controls", nargs="+", metavar="DIR", help="judged runs that the first one is set against on its page")
    add("--device", help="where the models run (default: cpu)")
    add("--batch-size", type=int, help="most rows in one forward pass (default: 64)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, and tell in a line what each run came to; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.judged_folders import JudgeResultsConfig, judge_folders
    from textsem.protocols import TargetError

    try:
        config = JudgeResultsConfig(**options)
        summaries = judge_folders(config)
    except (OSError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    for folder, summary in zip(config.folders, summaries, strict=True):
        print(f"{folder}: {summary['headline']}")
        print(Path(folder, "report.html"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
