#!/usr/bin/env python
"""Measure how an adversary moves codes: noise, overlap of marginals, span, GBSM alone, success against eps.

Example:
    python scripts/manifold_evidence.py --train-data snli_train.parquet --results runs/attack_snli
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``ManifoldEvidenceConfig``."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--model", help="bundled, or folder of a trained adversary (default: bundled)")
    add("--data", help="file (parquet, jsonl, csv, tsv), folder of splits, or hub id (default: SNLI, else demo pairs)")
    add("--split", help="split of the data (default: test)")
    add("--num-hypotheses", type=int, help="hypotheses, from the start (default: 1000)")
    add("--particles", type=int, dest="num_particles", metavar="M", help="particles (default: the adversary's number)")
    add("--seed", type=int, help="draws particles, noise, halves, permutations (default: 0)")
    add("--num-permutations", type=int, help="of each test of the MMD (default: 200)")
    add("--train-data", help="training data for GBSM with Eq. 6 off (default: that part is left out)")
    add("--train-limit", type=int, help="training pairs, from the start; 0 for all (default: 8000)")
    add("--preset", help="whose settings of Algorithm 2 GBSM takes (default: base)")
    add("--gbsm-steps", type=int, nargs="+", metavar="K", help="batches after which is measured (default: 10 30 100)")
    add("--results", metavar="DIR", help="finished run, for success against eps (default: that part is left out)")
    add("--judge", help="which judge of that run counts (default: the first by name)")
    add("--output", help="folder for the files (default: runs/manifold_evidence)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and print the tables; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.manifold_evidence import ManifoldEvidenceConfig, manifold_evidence
    from textsem.evaluation.manifold_tables import EVIDENCE_NAMES, evidence_tables
    from textsem.protocols import TargetError

    try:
        config = ManifoldEvidenceConfig(**options)
        metrics = manifold_evidence(config)
    except (OSError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(evidence_tables(metrics))
    print(f"\n{metrics['seconds']:.0f} s")
    for name in EVIDENCE_NAMES:
        print(Path(config.output, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
