"""Add new rows to the pairs that an NLI classifier is trained on: flips, rows near its boundary, and neighbours."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textsem.commands.parsing import add_label_order, command_parser, shown_command
from textsem.commands.preconditions import check_output
from textsem.runs.devices import check_device
from textsem.runs.endings import end
from textsem.text.substitutes import SUBSTITUTES

__all__ = ["main", "parse_options"]

PRECISIONS = ("float32", "bfloat16", "float16")
SOURCES = ("adversarial", "boundary", "neighbours")
OUTPUT = "runs/augment_nli"
EXAMPLE = "--data snli_train.parquet --target path/to/classifier --output runs/augmented"


def parse_options(arguments: Sequence[str], *, program: str) -> dict[str, Any]:
    """Return the options by the names of ``AugmentNliConfig`` and ``AugmentationConfig``.

    Their defaults stand for those that were not given; ``quiet`` is the command's own, and always there.
    """
    parser = command_parser(program, __doc__ or "", example=EXAMPLE, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--data", help="file, folder of splits or hub id (default: TEXTSEM_DATA, else SNLI)")
    add("--split", help="split of the data (default: train)")
    add("--limit", type=int, help="number of labelled pairs, from the start; 0 for all (default: 0)")
    add_label_order(
        parser, "what label numbers 0, 1 and 2 mean in the data, where it does not say", option="--data-label-order"
    )
    add("--output", help=f"folder for rows, card and settings (default: {OUTPUT})")
    add("--format", choices=["parquet", "jsonl", "datasets"], help="of the rows (default: parquet)")
    add("--new-only", action="store_true", help="leave the data's own rows out")
    add("--num-workers", type=int, help="processes that make rows, each with one thread (default: 1)")
    add("--resume", action="store_true", help="continue the run in that folder; the format may be another")
    add("--sources", nargs="+", choices=SOURCES, help="where new rows come from (default: all; no target: neighbours)")
    add("--rows-per-source", type=int, help="most new rows of each source for one pair (default: 1)")
    add("--share", type=float, help="share of the pairs that are tried (default: 1.0)")
    add("--target", help="classifier to be made robust: bundled, folder, hub id or address (default: none)")
    add_label_order(parser, "what the target's LABEL_0, LABEL_1 and, of three classes, LABEL_2 mean")
    add(
        "--filter-model",
        metavar="NAME",
        help="NLI model that must give the label too: bundled, none, folder or hub id (default: bundled; of the "
        "bundled target one has to be named)",
    )
    add("--min-margin", type=float, help="nats by which it must put the label ahead (default: 0.5)")
    add("--filter-precision", choices=PRECISIONS, help="of filter model and encoder (default: float32)")
    add("--model", help="bundled, or folder or hub id of an adversary (default: bundled)")
    add(
        "--candidates",
        choices=["fluent", "varied"],
        help="those that an attack would ask about, or rarer words and rougher sentences too (default: varied)",
    )
    add(
        "--lexicons",
        nargs="+",
        choices=sorted(SUBSTITUTES),
        help="take half of the candidates from swaps with words that the adversary does not know (default: none)",
    )
    add("--num-codes", type=int, help="codes that are decoded for a hypothesis (default: 16)")
    add("--num-candidates", type=int, help="candidates proposed for one pair, before any filter (default: 400)")
    add("--num-asked", type=_number_or_none, help="how many of them are drawn at random, or none for all (default: 48)")
    add("--num-tries", type=int, help="most candidates of a source that filters are asked about (default: 4)")
    add("--boundary-width", type=float, help="most nats by which the target is sure of a boundary row (default: 1.0)")
    add("--max-edits", type=_number_or_none, help="most words that may change, or none for any (default: 3)")
    add(
        "--max-perplexity-ratio",
        type=_ratio_or_none,
        help="how much less likely a new hypothesis may be, or none for any (default: none)",
    )
    add("--part-of-speech", choices=["none", "universal", "penn"], help="what a changed word keeps (default: none)")
    add("--sentence-encoder", metavar="NAME", help="measures similarity (default: TEXTSEM_SENTENCE_ENCODER)")
    add(
        "--min-similarity",
        type=_ratio_or_none,
        help="smallest similarity to the original, or none for any (default: 0.8)",
    )
    add("--device", help="where target, filter model and encoder run (default: cpu)")
    add("--batch-size", type=int, help="most rows in one forward pass (default: 64)")
    add("--seed", type=int, help="each pair derives its own from it (default: 0)")
    add("--machine", help="what the card says about the machine (default: not stated)")
    add("--quiet", action="store_true", default=False, help="no line about the progress on standard error")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem augment") -> int:
    """Augment the data and tell in a few lines what came out; return the exit code.

    Args:
        arguments: The options; None for those of this process.
        program: What was typed before them.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = parse_options(given, program=program)
    return end(
        lambda: _augment(shown_command(program, given), **options),
        output=options.get("output", OUTPUT),
        kept="the chunks written so far are kept, --resume continues",
    )


def _augment(command: str, *, quiet: bool, **options: Any) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from dataclasses import fields

    from textsem.augmentation import AdversarialAugmenter, AugmentationConfig
    from textsem.evaluation.augmentation_run import (
        CARD_NAME,
        SETTINGS_NAME,
        SUMMARY_NAME,
        AugmentNliConfig,
        augment_nli,
    )

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    check_device(options.get("device"))
    check_output(Path(options.get("output", OUTPUT)))
    of_run = {field.name for field in fields(AugmentNliConfig)}
    config = AugmentNliConfig(**{name: value for name, value in options.items() if name in of_run})
    rules = AugmentationConfig(**{name: value for name, value in options.items() if name not in of_run})
    summary = augment_nli(config, AdversarialAugmenter(rules), command=command, show_progress=not quiet)
    if summary["notice"]:
        print(f"notice: {summary['notice']}")
    new = {origin: sum(by_label.values()) for origin, by_label in summary["rows"].items() if origin != "original"}
    print(f"{summary['num_pairs']} pairs, {summary['num_new_rows']} new rows ({_listed(new)})")
    dropped = {name: share for name, share in summary["dropped"].items() if share}
    print("dropped: " + (", ".join(f"{name} {share:.1%}" for name, share in dropped.items()) or "nothing"))
    for name in (summary["file"], CARD_NAME, SETTINGS_NAME, SUMMARY_NAME):
        print(Path(config.output) / name)
    return 0


def _number_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)


def _ratio_or_none(text: str) -> float | None:
    return None if text == "none" else float(text)


_number_or_none.__name__, _ratio_or_none.__name__ = "int", "float"  # what argparse calls them


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "of no source"
