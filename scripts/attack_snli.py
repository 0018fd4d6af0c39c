#!/usr/bin/env python
"""Attack a classifier of premise-hypothesis pairs with hypotheses from a learned manifold.

Example:
    python scripts/attack_snli.py --target path/to/classifier --limit 1000
"""

import sys
from collections.abc import Sequence

from textsem.commands import attack


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``textsem attack`` does; return the exit code."""
    return attack.main(arguments, program="python scripts/attack_snli.py")


if __name__ == "__main__":
    sys.exit(main())
