"""Train a word-level target: the paper's classifier or the attention model."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textsem.commands.augmenting import add_augment_options, check_augment_options, new_rows_of, renewer_of
from textsem.commands.parsing import add_label_order, command_parser, shown_command
from textsem.commands.preconditions import check_output
from textsem.runs.devices import check_device
from textsem.runs.endings import TRAINING_KEPT, end

if TYPE_CHECKING:
    from textsem.data.nli import DataIdentity
    from textsem.targets.attention import AttentionConfig
    from textsem.targets.paper_mlp import PaperMLPConfig

__all__ = ["main", "parse_arguments"]

EXAMPLE = "--data snli_train.parquet --dev-data snli_dev.parquet --output runs/target"


def parse_arguments(arguments: Sequence[str], *, program: str) -> argparse.Namespace:
    """Read the command line."""
    parser = command_parser(program, __doc__ or "", example=EXAMPLE)
    add = parser.add_argument
    add("--data", default=None, help="hub id, file or folder of splits (default: TEXTSEM_DATA, else SNLI)")
    add("--split", default="train", help="split of --data to train on (default: %(default)s)")
    add("--dev-data", default=None, help="pairs that choose the epoch (default: as --data)")
    add("--dev-split", default="dev", help="split of --dev-data (default: %(default)s)")
    add("--test-data", default=None, help="pairs for the final figure alone (default: none)")
    add("--test-split", default="test", help="split of --test-data (default: %(default)s)")
    add_label_order(parser, "what label numbers 0, 1 and, of three classes, 2 mean, where the data does not say")
    add("--limit", type=int, default=0, help="most training pairs; 0 for all (default: %(default)s)")
    add("--architecture", choices=("paper", "attention"), default="attention")
    add("--embedding-dim", type=int, default=None, help="width of a word vector (default: the architecture's)")
    add("--hidden-dim", type=int, default=None, help="width of the attention model (default: the architecture's)")
    add("--dropout", type=float, default=None, help="default: the architecture's")
    add("--output", type=Path, required=True, help="folder for model, card, metrics, curve and training state")
    add("--epochs", type=int, default=8, help="default: %(default)s")
    add("--batch-size", type=int, default=64, help="default: %(default)s")
    add("--learning-rate", type=float, default=1e-3, help="default: %(default)s")
    add("--max-words", type=int, default=15_000, help="most words in the vocabulary (default: %(default)s)")
    add("--word-vectors", choices=("random", "co-occurrence"), default="co-occurrence", help="how they start")
    add("--precision", choices=("float32", "bfloat16"), default="float32", help="of matrix products")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--device", default="cpu", help="default: %(default)s")
    add("--resume", action="store_true", help="go on from the training state in --output")
    add("--max-minutes", type=float, default=None, help="stop after this time, whatever epoch it is")
    add("--checkpoint-every", type=int, default=500, help="steps between two saved states (default: %(default)s)")
    add("--half-precision", action="store_true", help="save the model as float16")
    add("--machine", default="not stated", help="what the model card says about the machine")
    add_augment_options(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem train target") -> int:
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
    from textsem.training.target import TargetTrainingConfig, train_target
    from textsem.training.target_report import RunDescription

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    check_device(options.device)
    check_output(options.output)
    check_augment_options(options)
    order = options.label_order
    train = load_nli(options.data, split=options.split, limit=options.limit, label_order=order)
    dev = load_nli(options.dev_data or options.data, split=options.dev_split, label_order=order)
    test = None
    if options.test_data is not None:
        test = load_nli(options.test_data, split=options.test_split, label_order=order)
    train_target(
        train,
        dev,
        _network_config(options),
        TargetTrainingConfig(
            num_epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            max_words=options.max_words,
            word_vectors=options.word_vectors,
            precision=options.precision,
            seed=options.seed,
        ),
        options.output,
        test=test,
        description=RunDescription(
            train_data=_shown(train.identity),
            dev_data=_shown(dev.identity),
            test_data=_shown(test.identity) if test else "none",
            command=command,
            machine=options.machine,
        ),
        device=options.device,
        is_resumed=options.resume,
        max_minutes=options.max_minutes,
        checkpoint_every=options.checkpoint_every,
        half_precision=options.half_precision,
        new_rows=new_rows_of(options, train),
        renewer=renewer_of(options, train),
    )
    if Processes.current().is_main:
        print((options.output / "README.md").read_text(encoding="utf-8"))
    return 0


def _network_config(options: argparse.Namespace) -> "AttentionConfig | PaperMLPConfig":
    """Return the architecture's config with the sizes that were given."""
    from textsem.targets.attention import AttentionConfig
    from textsem.targets.paper_mlp import PaperMLPConfig

    given = {"embedding_dim": options.embedding_dim, "dropout": options.dropout}
    if options.architecture == "paper":
        return PaperMLPConfig(**{name: value for name, value in given.items() if value is not None})
    given["hidden_dim"] = options.hidden_dim
    return AttentionConfig(**{name: value for name, value in given.items() if value is not None})


def _shown(identity: "DataIdentity") -> str:
    """Return a data identity for the card: a file by its name alone."""
    from textsem.training.adversary_report import file_name

    split = f", split {identity.split}" if identity.split else ""
    return f"{file_name(identity.source)}{split}, {identity.rows} pairs, sha256 {identity.sha256[:16]}"
