#!/usr/bin/env python
"""Add new rows to the pairs that an NLI classifier is trained on: flips, rows near its boundary, and neighbours.

Example:
    python scripts/augment_nli.py --data snli_train.parquet --target path/to/classifier --output runs/augmented
"""

import sys
from collections.abc import Sequence

from textsem.commands import augment


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``textsem augment`` does; return the exit code."""
    return augment.main(arguments, program="python scripts/augment_nli.py")


if __name__ == "__main__":
    sys.exit(main())
