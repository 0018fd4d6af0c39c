#!/usr/bin/env python
"""Measure how an adversary of images moves codes: noise, overlap of marginals, spread, span, and the number M.

Example:
    python scripts/image_evidence.py --dataset mnist --adversary runs/mnist_adversary --target runs/mnist_target
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from images_ext.evaluation.options import image_parser
from textsem.runs.endings import end

DEFAULT_OUTPUT = "runs/image_evidence"


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``ImageEvidenceConfig``."""
    parser = image_parser(__doc__, data_default="IMAGES_EXT_DATA")
    add = parser.add_argument
    add("--num-images", type=int, help="images, from the start (default: 1000)")
    add("--adversary", help="bundled, or folder of a trained adversary (default: bundled)")
    add("--target", help="folder of a classifier, for the flips of each M (default: they are left out)")
    add("--num-particles", type=int, help="M for noise and marginals (default: the adversary's number)")
    add("--particles", type=int, nargs="+", metavar="M", help="values of M that are compared (default: 2 5 10 15)")
    add("--num-permutations", type=int, help="of each test of the MMD (default: 200)")
    add("--repeats", type=int, help="of every timing (default: 5)")
    add("--seed", type=int, help="draws particles, noise, halves, permutations (default: 0)")
    add("--output", help=f"folder for the files (default: {DEFAULT_OUTPUT})")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and print the tables; return the exit code."""
    options = parse_options(arguments)
    return end(lambda: _measure(options), output=options.get("output", DEFAULT_OUTPUT))


def _measure(options: dict[str, Any]) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from images_ext.evaluation.evidence import ImageEvidenceConfig, image_evidence
    from images_ext.evaluation.evidence_tables import EVIDENCE_NAMES, evidence_tables

    config = ImageEvidenceConfig(**options)
    metrics = image_evidence(config)
    print(evidence_tables(metrics))
    print(f"\n{metrics['seconds']:.0f} s")
    for name in EVIDENCE_NAMES:
        print(Path(config.output, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
