"""What a user of the installed package writes; ``check_wheel.py`` type-checks it and runs it, away from the source.

``mypy --strict`` passes only where the package's types are seen: otherwise the ``ignore`` below is one too many.
"""

import json
import sys

import textsem
from textsem import AttackResult, NliAttackPipeline, TextAdversary, load_target, pipeline
from textsem.protocols import Target

__all__ = ["attack_once", "main", "shares_edited"]

PAIR = {"premise": "A man plays a guitar on a stage.", "hypothesis": "A man makes music.", "label": "entailment"}


def attack_once(attack: NliAttackPipeline) -> str:
    """Return how the attack on one pair ended."""
    return str(attack(PAIR)["status"])


def shares_edited(results: list[AttackResult], adversary: TextAdversary, target: Target) -> list[float]:
    """Return edits as a share of the vocabulary; what the target is asked makes no sense, and mypy knows."""
    target.predict(1, ["not a list of premises"])  # type: ignore[arg-type]
    size: int = adversary.vocabulary.size
    return [result.edits / size for result in results if result.edits is not None]


def main() -> int:
    """Print where the package lies, how the attack ended and the bundled target's labels."""
    status = attack_once(pipeline("nli-attack"))
    names = load_target("bundled").label_names
    print(json.dumps({"file": textsem.__file__, "status": status, "label_names": names}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
