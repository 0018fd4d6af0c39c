#!/usr/bin/env python
"""Compare our attack on images with its controls, PGD and other searches: one target, one judge, one table.

Example:
    python scripts/compare_image_attacks.py --dataset mnist --data mnist_folder --judge bundled --limit 1000
    python scripts/compare_image_attacks.py --attacks --folders runs/ours runs/isotropic --judge bundled
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from images_ext.evaluation.options import image_parser
from textsem.runs.endings import end

DEFAULT_OUTPUT = "runs/compare_images"
OWN_OPTIONS = ("judge", "attacks", "folders", "output")


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given; those of the attack by the names of ``AttackImagesConfig``."""
    parser = image_parser(__doc__, data_default="IMAGES_EXT_DATA")
    add = parser.add_argument
    add("--judge", required=True, help="bundled, or folder of a classifier that took no part in the attacks")
    add("--attacks", nargs="*", metavar="NAME", help="ours, clean, isotropic, basis, cone, reconstruction, pgd, ...")
    add("--folders", nargs="+", metavar="DIR", help="finished runs that stand in the table too")
    add("--output", help=f"folder of the table and of one folder an attack (default: {DEFAULT_OUTPUT})")
    add("--limit", type=int, help="number of images, from the start; 0 for all (default: 1000)")
    add("--target", help="bundled, or folder of a classifier (default: bundled)")
    add("--adversary", help="bundled, or folder of a trained adversary (default: bundled)")
    add("--access", choices=["score", "label", "gradient"], help="of all but PGD, which has gradient (default: score)")
    add("--norm", choices=["l2", "linf", "rms", "mse"], help="of x' - x, pixels in [0, 1] (default: l2)")
    add("--eps", type=float, help="a flip counts strictly below it (default: 4)")
    add("--max-queries", type=int, help="most rows sent for one image's candidates (default: 100)")
    add("--project", action=argparse.BooleanOptionalAction, help="ask about candidates moved onto the ball (default)")
    add(
        "--filter-model", nargs="+", metavar="DIR", help="classifiers that must keep the label, or none (default: auto)"
    )
    add("--decoding", choices=["decoded", "residual"], help="x' = dec(z'), or x + dec(z') - dec(z) (default: residual)")
    add("--num-restarts", type=int, help="of PGD (default: 1)")
    add("--seed", type=int, help="seed of every run (default: 0)")
    add("--device", help="where the target runs (default: a GPU if there is one)")
    add("--attack-options", metavar="FILE", help="JSON object of other options of scripts/attack_images.py")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print the table, and tell where it lies; return the exit code."""
    options = parse_options(arguments)
    return end(
        lambda: _compare(options),
        output=options.get("output", DEFAULT_OUTPUT),
        kept="what was written is kept, and the same command continues",
    )


def _compare(options: dict[str, Any]) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from images_ext.evaluation.compare import CompareImagesConfig, compare_attacks
    from images_ext.evaluation.compare_tables import COMPARE_NAMES, comparison_tables
    from images_ext.evaluation.finished_run import read_object

    more = options.pop("attack_options", None)
    shared = {name: value for name, value in options.items() if name not in OWN_OPTIONS}
    if more is not None:
        shared |= read_object(Path(more))
    own = {name: value for name, value in options.items() if name in OWN_OPTIONS}
    config = CompareImagesConfig(**own, shared=shared)
    comparison = compare_attacks(config, progress=_show_progress)
    print(comparison_tables(comparison))
    for name in COMPARE_NAMES:
        print(Path(config.output) / name)
    print(comparison["page"])
    return 0


def _show_progress(name: str, done: int, total: int) -> None:
    print(f"\r{name}: {done} of {total} images", end="\n" * (done == total), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
