#!/usr/bin/env python
"""Train a word-level target: the paper's classifier or the attention model.

Example:
    python scripts/train_target.py --data snli_train.parquet --dev-data snli_dev.parquet --output runs/target
"""

import sys
from collections.abc import Sequence

from textsem.commands import train_target


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``textsem train target`` does; return the exit code."""
    return train_target.main(arguments, program="python scripts/train_target.py")


if __name__ == "__main__":
    sys.exit(main())
