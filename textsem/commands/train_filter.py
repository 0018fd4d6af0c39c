"""Fine-tune a pre-trained encoder as NLI classifier: a filter model for the constraints, or a judge for reports."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from textsem.commands.parsing import command_parser, shown_command
from textsem.commands.preconditions import check_output
from textsem.runs.endings import TRAINING_KEPT, end

__all__ = ["main", "parse_arguments"]

EXAMPLE = (
    "--base path/to/encoder --data snli_train.parquet --dev-data snli_dev.parquet \\\n        --output runs/filter"
)


def parse_arguments(arguments: Sequence[str], *, program: str) -> argparse.Namespace:
    """Read the command line."""
    parser = command_parser(program, __doc__ or "", example=EXAMPLE)
    add = parser.add_argument
    add("--base", required=True, help="folder or hub id of a pre-trained encoder")
    add("--data", nargs="+", required=True, help="hub ids, files or folders of splits; all their pairs are used")
    add("--split", default="train", help="split of --data (default: %(default)s)")
    add("--dev-data", default=None, help="pairs for the card's figure (default: TEXTSEM_DATA, else SNLI)")
    add("--dev-split", default="dev", help="split of --dev-data (default: %(default)s)")
    add("--limit", type=int, default=0, help="most pairs of each of --data; 0 for all (default: %(default)s)")
    add("--output", type=Path, required=True, help="folder for model, tokenizer, card, metrics and training state")
    add("--epochs", type=int, default=1, help="default: %(default)s")
    add("--batch-size", type=int, default=32, help="default: %(default)s")
    add("--learning-rate", type=float, default=8e-5, help="default: %(default)s")
    add("--precision", choices=("float32", "bfloat16"), default="bfloat16", help="of matrix products")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--resume", action="store_true", help="go on from the training state in --output")
    add("--machine", default="not stated", help="what the model card says about the machine")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem train filter") -> int:
    """Train, save, and print the card; return the exit code.

    Args:
        arguments: The options; None for those of this process.
        program: What was typed before them.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(given, program=program)
    return end(lambda: _train(options, shown_command(program, given)), output=options.output, kept=TRAINING_KEPT)


def _train(options: argparse.Namespace, command: str) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from textsem.data.nli import load_nli
    from textsem.processes import Processes
    from textsem.training.cross_encoder import CrossEncoderConfig, train_cross_encoder
    from textsem.training.labelled_pairs import joined_pairs
    from textsem.training.target_report import RunDescription

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    check_output(options.output)
    train = [load_nli(source, split=options.split, limit=options.limit) for source in options.data]
    dev = load_nli(options.dev_data, split=options.dev_split)
    train_cross_encoder(
        options.base,
        joined_pairs(train),
        dev,
        CrossEncoderConfig(
            num_epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            precision=options.precision,
            seed=options.seed,
        ),
        options.output,
        description=RunDescription(
            train_data=", ".join(Path(part.identity.source).name for part in train),
            dev_data=Path(dev.identity.source).name,
            command=command,
            machine=options.machine,
        ),
        is_resumed=options.resume,
    )
    if Processes.current().is_main:
        print((options.output / "README.md").read_text(encoding="utf-8"))
    return 0
