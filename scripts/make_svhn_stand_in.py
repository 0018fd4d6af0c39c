#!/usr/bin/env python
"""Make house-number-like images in SVHN's published format, for where SVHN itself is not at hand.

Figures on them are no figures on SVHN: the loader names them "svhn stand-in", and so must every table.

Example:
    python scripts/make_svhn_stand_in.py --output runs/svhn_stand_in
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textsem.runs.endings import end


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for train_32x32.mat and test_32x32.mat")
    parser.add_argument("--num-train", type=int, default=20_000, help="images (default: %(default)s)")
    parser.add_argument("--num-test", type=int, default=4_000, help="images (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make both files and say where they are; return the exit code."""
    options = parse_arguments(arguments)

    def work() -> int:
        from images_ext.data.svhn_stand_in import make_svhn_stand_in

        make_svhn_stand_in(options.output, num_train=options.num_train, num_test=options.num_test, seed=options.seed)
        print(f"{options.num_train} train and {options.num_test} test images of the svhn stand-in in {options.output}")
        return 0

    return end(work, output=options.output)


if __name__ == "__main__":
    sys.exit(main())
