#!/usr/bin/env python
"""Time an inner update, the attack around its target and the import; measure the sampled gradient's bias.

Example:
    python scripts/benchmark.py --figures update candidates --threads 2
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``BenchmarkConfig``."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add(
        "--figures",
        nargs="+",
        metavar="NAME",
        help="of update, bias, candidates, target, search, import (default: all)",
    )
    add("--model", help="bundled, or folder of a trained adversary (default: bundled)")
    add("--target", help="bundled, or folder or hub id of a classifier (default: bundled)")
    add("--data", help="file (parquet, jsonl, csv, tsv), folder of splits, or hub id (default: SNLI, else demo pairs)")
    add("--split", help="split of the data (default: test)")
    add("--limit", type=int, help="pairs attacked to time the target (default: 64)")
    add("--budgets", nargs="+", type=int, metavar="N", help="queries a pair of the search (default: 5 20)")
    add("--attack-options", metavar="FILE", help="JSON object of other options of attack_snli for the search")
    add("--presets", nargs="+", metavar="NAME", help="sizes of the update (default: paper base)")
    add("--particles", nargs="+", type=int, metavar="M", help="particles of the update (default: 1 2 5 10 15)")
    add("--batch-size", type=int, help="sentences in a batch (default: 64)")
    add("--max-words", type=int, help="vocabulary of the update, special symbols apart (default: 11000)")
    add("--num-draws", type=int, help="draws of negatives for the bias (default: 50)")
    add("--num-pairs", type=int, help="pairs in a chunk of the attack (default: 64)")
    add("--num-candidates", type=int, help="candidates a pair (default: 200)")
    add("--threads", type=int, help="threads of torch (default: 2)")
    add("--repeats", type=int, help="repeats that medians are taken over (default: 5)")
    add("--import-repeats", type=int, help="the same for the import (default: 10)")
    add("--seed", type=int, help="seed of everything drawn (default: 0)")
    add("--output", help="folder for benchmark.json and benchmark.md (default: runs/benchmark)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and print the tables; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.benchmark import FILE_NAMES, BenchmarkConfig, run_benchmark
    from textsem.evaluation.benchmark_tables import benchmark_tables
    from textsem.protocols import TargetError

    try:
        if "attack_options" in options:
            options["attack_options"] = json.loads(Path(options["attack_options"]).read_text(encoding="utf-8"))
        config = BenchmarkConfig(**options)
        measured = run_benchmark(config)
    except (OSError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(benchmark_tables(measured))
    print(f"\n{measured['seconds']:.0f} s")
    for name in FILE_NAMES:
        print(Path(config.output, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
