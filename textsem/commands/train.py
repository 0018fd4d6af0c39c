"""``textsem train``: everything that is learned."""

import sys
from collections.abc import Sequence

from textsem.commands.choosing import Choice, run_choice

__all__ = ["MODELS", "main"]

MODELS = {
    "adversary": Choice("textsem.commands.train_adversary", "an adversary: autoencoder, manifold, attack on a target"),
    "arae": Choice("textsem.commands.train_arae", "an ARAE, whose parts or noise an attack may use"),
    "target": Choice("textsem.commands.train_target", "a word-level target"),
    "filter": Choice("textsem.commands.train_filter", "a filter model or a judge from a pre-trained encoder"),
    "meaning": Choice("textsem.commands.train_meaning", "an adversary's meaning table from a sentence encoder"),
}


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem train") -> int:
    """Train what the first argument names; return the exit code.

    Args:
        arguments: What to train, and its options; None for those of this process.
        program: What was typed before them.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return run_choice(given, MODELS, program=program, summary="Train an adversary, or what it needs.")
