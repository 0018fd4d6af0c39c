#!/usr/bin/env python
"""Fig. 3: how far adversarial points are from a surface that is known, ours beside PGD's.

Example:
    python scripts/swiss_roll.py --output runs/swiss_roll
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from textsem.runs.endings import end


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder for figure.png, summary.json and points.jsonl")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: %(default)s)")
    add("--num-points", type=int, default=1600, help="of the data set (default: %(default)s)")
    add("--target-accuracy", type=float, help="where the training of the target stops (default: 0.97)")
    add("--epsilon", type=float, help="radius of ours and of the controls, in units of 10 (default: 0.3)")
    add("--adversarial-steps", type=int, help="batches with Eq. 6; 0 leaves GBSM alone (default: that of the config)")
    add("--num-threads", type=int, default=1, help="of torch (default: %(default)s)")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Run every seed, write the files, and print what they say."""
    # After parsing, so that --help and a misspelt option answer at once.
    from images_ext.swiss_roll.experiment import SwissRollConfig
    from images_ext.swiss_roll.report import in_words
    from images_ext.swiss_roll.run import run_swiss_roll

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = SwissRollConfig(num_points=options.num_points)
    if options.target_accuracy is not None:
        config = replace(config, classifier=replace(config.classifier, stop_accuracy=options.target_accuracy))
    if options.epsilon is not None:
        config = replace(config, search=replace(config.search, epsilon=options.epsilon))
    if options.adversarial_steps is not None:
        config = replace(config, adversary=replace(config.adversary, adversarial_steps=options.adversarial_steps))
    summary = run_swiss_roll(options.output, seeds=options.seeds, config=config, num_threads=options.num_threads)
    print("\n".join(in_words(summary)))
    print(options.output / "figure.png")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; return the exit code."""
    options = parse_arguments(arguments)
    return end(lambda: run(options), output=options.output)


if __name__ == "__main__":
    sys.exit(main())
