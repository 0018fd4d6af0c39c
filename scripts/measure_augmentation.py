#!/usr/bin/env python
"""Measure what augmentation does for a classifier: every arm trained with every seed, one table and one figure.

Example:
    python scripts/augment_nli.py --data snli_train.parquet --limit 30000 --target runs/plain --output runs/augmented
    python scripts/measure_augmentation.py --augmented ours=runs/augmented --data snli_train.parquet --limit 30000
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``MeasureAugmentationConfig``; its defaults for others."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    named: dict[str, Any] = {"nargs": "+", "action": "extend", "metavar": "NAME=PATH", "type": _named}
    add("--augmented", required=True, **named, help="our arms: output folders of scripts/augment_nli.py; controls "
        "get as many rows as the first")  # fmt: skip
    add("--output", help="folder of models, measurements, table and figure (default: runs/augmentation)")
    add("--data", help="training data: file, folder of splits or hub id (default: TEXTSEM_DATA, else SNLI)")
    add("--split", help="split of --data (default: train)")
    add("--limit", type=int, help="base rows of every arm, from the start (default: 30000)")
    add("--dev-data", help="pairs that choose the epoch (default: as --data)")
    add("--test-data", help="pairs of clean accuracy and of fresh attacks (default: as --data)")
    add("--other", **named, help="other test sets")
    add("--unseen", **named, help="attack runs against a plain model that is no arm's; see compare_attacks.py")
    add("--controls", nargs="*", metavar="NAME", help="duplicates, word dropout, wordnet (default: all)")
    add("--seeds", nargs="+", type=int, help="of the trainings (default: 0 1 2)")
    add("--epochs", type=int, dest="num_epochs", help="passes over an arm's rows (default: 4)")
    add("--batch-size", type=int, help="pairs a step (default: 64)")
    add("--fresh-attacks", nargs="*", metavar="NAME", help="attacks that every model is put to afresh (default: none)")
    add("--fresh-limit", type=int, help="pairs for that (default: 150)")
    add("--compare-options", metavar="FILE", help="JSON object of other options of compare_attacks.py, for them")
    add("--judge", help="NLI model that scores label noise, and valid successes of fresh attacks")
    add("--cost-pairs", type=int, help="pairs on which the cost is measured (default: 200)")
    add("--trained", **named, help="plain-SEED=FOLDER: plain models that scripts/train_target.py has trained with "
        "the same settings on the same rows")  # fmt: skip
    add("--num-workers", type=int, help="models trained at once, one thread each (default: 1)")
    add("--machine", help="what the report says about the machine")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure, and print the report; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.augmentation import AdversarialAugmenter
    from textsem.evaluation.augmentation_tables import write_report
    from textsem.evaluation.measure_augmentation import measure_augmentation
    from textsem.evaluation.measure_augmentation_config import MeasureAugmentationConfig
    from textsem.evaluation.peer_process import PeerError
    from textsem.protocols import TargetError

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        for name in ("augmented", "other", "unseen", "trained"):
            if name in options:
                options[name] = _once(options[name])
        given = {}
        if "compare_options" in options:
            given = json.loads(Path(options.pop("compare_options")).read_text(encoding="utf-8"))
        script = Path(__file__).resolve().parent / "peers" / "textattack_peer.py"
        judges = [options["judge"]] if "judge" in options else []
        config = MeasureAugmentationConfig(
            **options, compare_options={"peers_script": str(script), "judges": judges, **given}
        )
        measure_augmentation(config, augmenter=AdversarialAugmenter)
        print(write_report(Path(config.output)))
    except (OSError, PeerError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was written is kept, and the same command continues", file=sys.stderr)
        return 130
    return 0


def _named(text: str) -> tuple[str, str]:
    """Split ``name=path``."""
    name, mark, path = text.partition("=")
    if not (name and mark and path):
        raise argparse.ArgumentTypeError(f"expected NAME=PATH, got {text!r}")
    return name, path


def _once(named: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return paths by name."""
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        raise ValueError(f"expected every name once, got {', '.join(names)}")
    return dict(named)


if __name__ == "__main__":
    sys.exit(main())
