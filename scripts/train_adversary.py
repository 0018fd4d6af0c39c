#!/usr/bin/env python
"""Train an adversary: autoencoder, manifold, and the attack on a target, by Algorithm 2.

Example:
    python scripts/train_adversary.py --data snli_train.parquet --held-out snli_dev.parquet snli_test.parquet
        --target bundled --output runs/adversary
"""

import sys
from collections.abc import Sequence

from textsem.commands import train_adversary


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``textsem train adversary`` does; return the exit code."""
    return train_adversary.main(arguments, program="python scripts/train_adversary.py")


if __name__ == "__main__":
    sys.exit(main())
