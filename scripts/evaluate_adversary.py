#!/usr/bin/env python
"""Measure an adversary alone: reconstruction, coverage, and smoothness of its codes.

Example:
    python scripts/evaluate_adversary.py --model runs/adversary --lm-data snli_train.parquet
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``EvaluateAdversaryConfig``."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--model", help="bundled, or folder of a trained adversary (default: bundled)")
    add("--plain-model", metavar="FOLDER", help="plain autoencoder to be measured beside it (default: none)")
    add("--data", help="file (parquet, jsonl, csv, tsv), folder of splits, or hub id (default: SNLI, else demo pairs)")
    add("--split", help="split of the data (default: test)")
    add("--train-data", nargs="+", metavar="SOURCE", help="data whose sentences count as seen in training")
    add("--lm-data", nargs="+", metavar="SOURCE", help="data for the trigram that judges (default: the model's own)")
    add("--limit", type=int, help="number of pairs, from the start; 0 for all (default: 0)")
    add("--num-sentences", type=int, help="sentences of up to 10 words that are moved (default: 400)")
    add("--particles", type=int, dest="num_particles", metavar="M", help="particles (default: the adversary's number)")
    add("--seed", type=int, help="draws particles, noise and examples (default: 0)")
    add("--output", help="folder for metrics.json and evaluation.md (default: runs/evaluate_adversary)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and print the tables; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.evaluate import EvaluateAdversaryConfig, evaluate_adversary
    from textsem.evaluation.evaluation_tables import METRICS_NAME, TABLES_NAME, evaluation_tables
    from textsem.protocols import TargetError

    try:
        config = EvaluateAdversaryConfig(**options)
        metrics = evaluate_adversary(config)
    except (OSError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(evaluation_tables(metrics))
    print(f"\n{metrics['seconds']:.0f} s")
    for name in (METRICS_NAME, TABLES_NAME):
        print(Path(config.output, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
