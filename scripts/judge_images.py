#!/usr/bin/env python
"""Ask an independent classifier which flips of finished runs on images keep their label, and write their reports anew.

Example:
    python scripts/judge_images.py runs/ours runs/isotropic runs/clean --judge runs/mnist_judge
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textsem.runs.endings import end


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("folders", nargs="+", metavar="DIR", help="finished runs; the first one's page sets it against the others")
    add("--judge", required=True, help="bundled, or folder of a classifier that took no part in the attacks")
    add("--device", default="cpu", help="where it runs (default: %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, and tell in a line what each run came to; return the exit code."""
    options = parse_options(arguments)
    return end(lambda: _judge(options), output=options.folders[0], kept="runs judged before are kept")


def _judge(options: argparse.Namespace) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from images_ext.evaluation.judged_folders import judge_folder
    from images_ext.evaluation.report import write_report

    for folder in options.folders:
        joint: dict[str, Any] = judge_folder(folder, options.judge, device=options.device).summary["label_kept"][
            "joint"
        ]
        print(f"{folder}: {joint['count']} of {joint['of']} flipped in the ball and kept their label")
    for place, folder in enumerate(options.folders):
        print(write_report(Path(folder), controls=options.folders[1:] if place == 0 else ()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
