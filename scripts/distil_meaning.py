#!/usr/bin/env python
"""Distil a sentence encoder into an adversary's meaning table: word vectors whose sums say what sentences mean.

Example:
    python scripts/distil_meaning.py --encoder path/to/sentence-encoder --model runs/adversary --data snli_train.parquet
"""

import sys
from collections.abc import Sequence

from textsem.commands import train_meaning


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``textsem train meaning`` does; return the exit code."""
    return train_meaning.main(arguments, program="python scripts/distil_meaning.py")


if __name__ == "__main__":
    sys.exit(main())
