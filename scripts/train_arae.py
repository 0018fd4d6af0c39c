#!/usr/bin/env python
"""Train an ARAE: an autoencoder of sentences, a generator of codes, a critic of both, and an inverter.

Example:
    python scripts/train_arae.py --data snli_train.parquet --sentences captions.parquet
        --held-out snli_dev.parquet snli_test.parquet --output runs/arae
"""

import sys
from collections.abc import Sequence

from textsem.commands import train_arae


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``textsem train arae`` does; return the exit code."""
    return train_arae.main(arguments, program="python scripts/train_arae.py")


if __name__ == "__main__":
    sys.exit(main())
