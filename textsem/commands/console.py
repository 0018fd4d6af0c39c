"""The console command ``textsem``."""

import sys
from collections.abc import Sequence

from textsem.commands.choosing import Choice, run_choice

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "attack": Choice("textsem.commands.attack", "attack a classifier of premise-hypothesis pairs"),
    "augment": Choice("textsem.commands.augment", "add new rows to the pairs that a classifier is trained on"),
    "train": Choice("textsem.commands.train", "train an adversary, or what it needs"),
    "report": Choice("textsem.commands.report", "make the summary and the page of a run anew from its lines"),
    "info": Choice("textsem.commands.info", "tell versions, devices and models, or what a folder holds"),
}


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem") -> int:
    """Run a command; return its exit code.

    Args:
        arguments: The command and its options; None for those of this process.
        program: What was typed before them.
    """
    return run_choice(
        sys.argv[1:] if arguments is None else arguments,
        COMMANDS,
        program=program,
        summary="Adversarial hypotheses from a learned manifold: text that keeps its meaning and changes a "
        "classifier's mind.",
    )
