#!/usr/bin/env python
"""Feed hostile rows to the main job and the pipeline, and check that nothing crashes and no row is lost.

Exit code 0: every check holds; 1: one does not, and is named; 2: the checks could not be made.

Example:
    python scripts/fuzz.py --rows 10000 --seed 0
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``FuzzConfig``."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--output", help="folder for the files of all runs, and fuzz.json (default: runs/fuzz)")
    add("--rows", type=int, help="rows of the jsonl file (default: 10000)")
    add("--seed", type=int, help="seed of the rows (default: 0)")
    add("--max-queries", type=int, help="most rows sent to the target for one pair's candidates (default: 10)")
    add("--num-candidates", type=int, help="candidates drawn for one pair (default: 20)")
    add("--minutes", type=float, help="longest time for one run (default: 60)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz and print the table; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem import pipeline
    from textsem.evaluation.fuzzing import FuzzConfig, fuzz, fuzz_table

    try:
        found = fuzz(FuzzConfig(**options), pipeline)
    except (OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(fuzz_table(found))
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
