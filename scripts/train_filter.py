#!/usr/bin/env python
"""Fine-tune a pre-trained encoder as NLI classifier: a filter model for the constraints, or a judge for reports.

Example:
    python scripts/train_filter.py --base path/to/encoder --data snli_train.parquet --dev-data snli_dev.parquet \
        --output runs/filter
"""

import sys
from collections.abc import Sequence

from textsem.commands import train_filter


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``textsem train filter`` does; return the exit code."""
    return train_filter.main(arguments, program="python scripts/train_filter.py")


if __name__ == "__main__":
    sys.exit(main())
