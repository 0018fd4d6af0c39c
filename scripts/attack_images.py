#!/usr/bin/env python
"""Attack a classifier of images with images from a learned manifold, by one of its controls, or by PGD.

Example:
    python scripts/attack_images.py --dataset mnist --norm l2 --eps 4 --limit 1000 --output runs/attack_images
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from images_ext.evaluation.options import image_parser
from textsem.runs.endings import end

DEFAULT_OUTPUT = "runs/attack_images"


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options by the names of ``AttackImagesConfig``, whose defaults stand for those that were not given."""
    parser = image_parser(__doc__, data_default="IMAGES_EXT_DATA, else drawn digits for MNIST")
    add = parser.add_argument
    add("--limit", type=int, help="number of images, from the start; 0 for all (default: 1000)")
    add("--target", help="bundled, or folder of a classifier (default: bundled)")
    add("--adversary", help="bundled, or folder of a trained adversary (default: bundled)")
    add("--attack", choices=["ours", "pgd", "stochastic", "shrinking"], help="(default: ours)")
    add(
        "--source",
        "--candidates-from",
        dest="source",
        choices=["adversarial", "basis", "clean", "cone", "isotropic", "reconstruction"],
        help="where ours moves codes: E', or one of its controls (default: adversarial)",
    )
    add("--access", choices=["score", "label", "gradient"], help="what the target tells (default: score)")
    add("--norm", choices=["l2", "linf", "rms", "mse"], help="of x' - x, pixels in [0, 1] (default: l2)")
    add("--eps", type=float, help="a flip counts strictly below it; inf for any distance (default: 4)")
    add("--max-queries", type=int, help="most rows sent to the target for one image's candidates (default: 100)")
    add(
        "--project",
        action=argparse.BooleanOptionalAction,
        help="move candidates outside onto the ball, and ask about those (default: yes)",
    )
    add(
        "--filter-model",
        nargs="+",
        metavar="DIR",
        help="classifiers that must keep the label, or none (default: the bundled one, if the target is bundled)",
    )
    add("--filter-lead", type=float, help="nats by which they must at the end of the budget (default: 1.5)")
    add("--first-filter-lead", type=float, help="nats at its beginning (default: 3)")
    add("--judge", help="classifier that the report asks, or none (default: bundled, if the target is bundled)")
    add("--controls", nargs="+", metavar="DIR", help="finished runs that the report sets this one against")
    add("--decoding", choices=["decoded", "residual"], help="x' = dec(z'), or x + dec(z') - dec(z) (default: residual)")
    add("--num-candidates", type=int, help="candidates drawn before any is dropped (default: 120)")
    add("--min-scale", type=float, help="shortest move, as a share of the code's length (default: 0.1)")
    add("--max-scale", type=float, help="longest move (default: 1.0)")
    add("--num-particles", type=int, help="particles (default: the adversary's number)")
    add("--num-steps", type=int, help="of PGD (default: 40)")
    add("--num-restarts", type=int, help="of PGD (default: 1)")
    add("--output", help=f"folder for results.jsonl, images.safetensors, summary, report (default: {DEFAULT_OUTPUT})")
    add("--resume", action="store_true", help="continue the run in that folder instead of beginning anew")
    add("--seed", type=int, help="seed of the run (default: 0)")
    add("--device", help="where the target runs, such as cpu or cuda (default: a GPU if there is one)")
    add("--batch-size", type=int, dest="chunk_size", help="images that are attacked together (default: 64)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attack and tell in a few lines what came out; return the exit code."""
    options = parse_options(arguments)
    return end(
        lambda: _attack(options),
        output=options.get("output", DEFAULT_OUTPUT),
        kept="the lines written so far are kept, --resume continues",
    )


def _attack(options: dict[str, Any]) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from images_ext.evaluation.run import FILE_NAMES, attack_images
    from images_ext.evaluation.run_config import AttackImagesConfig

    config = AttackImagesConfig(**options)
    summary = attack_images(config, progress=_show_progress)
    if summary["notice"]:
        print(f"notice: {summary['notice']}")
    success, ball = summary["success"], f"{config.norm} {'any' if config.eps is None else config.eps}"
    print(
        f"{success['count']} of {success['of']} images that the target had right flipped ({ball}), "
        f"{summary['n']} images, {summary['rows_sent']} rows sent, {summary['seconds']:.1f} s"
    )
    if summary["first_error"]:
        print(f"first error: {summary['first_error']}")
    for name in FILE_NAMES:
        print(Path(config.output) / name)
    return 0


def _show_progress(done: int, total: int, successes: int) -> None:
    print(f"\r{done} of {total} images, {successes} flipped", end="\n" * (done == total), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
