"""Train an ARAE: an autoencoder of sentences, a generator of codes, a critic of both, and an inverter."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from textsem.commands.parsing import command_parser, shown_command
from textsem.commands.preconditions import check_output
from textsem.runs.devices import check_device
from textsem.runs.endings import TRAINING_KEPT, end

__all__ = ["main", "parse_arguments"]

EXAMPLE = (
    "--data snli_train.parquet --sentences captions.parquet\n"
    "        --held-out snli_dev.parquet snli_test.parquet --output runs/arae"
)


def parse_arguments(arguments: Sequence[str], *, program: str) -> argparse.Namespace:
    """Read the command line."""
    parser = command_parser(program, __doc__ or "", example=EXAMPLE)
    add = parser.add_argument
    add("--data", default=None, help="pairs: hub id, file or folder of splits (default: TEXTSEM_DATA, else SNLI)")
    add("--split", default="train", help="split of --data to train on (default: %(default)s)")
    add("--limit", type=int, default=0, help="most training sentences; 0 for all (default: %(default)s)")
    add("--sentences", nargs="*", default=[], help="more unlabelled sentences: files with text columns, captions say")
    add("--held-out", nargs="+", required=True, help="files not to train on (dev, test); the first is watched")
    add("--preset", default="base", help="sizes and schedule, base or paper (default: %(default)s)")
    add("--encoder", choices=("convolutional", "lstm"), default=None, help="default: the preset's")
    add("--embeddings", choices=("cooccurrence", "random"), default=None, help="start of the word vectors")
    add("--steps", type=int, default=None, help="batches (default: the preset's)")
    add("--precision", choices=("float32", "bfloat16"), default=None, help="of matrix products (default: the preset's)")
    add("--output", type=Path, required=True, help="folder for model, card, metrics, curve, samples, training state")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--device", default="cpu", help="default: %(default)s")
    add("--resume", action="store_true", help="go on from the training state in --output")
    add("--max-minutes", type=float, default=None, help="stop after this time, whatever batch it is")
    add("--watch-every", type=int, default=1000, help="batches between two watches and saved states")
    add("--inverter-steps", type=int, default=5000, help="steps of the inverter, in the end (default: %(default)s)")
    add("--machine", default="not stated", help="what the model card says about the machine")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem train arae") -> int:
    """Train, save, and print where; return the exit code.

    Args:
        arguments: The options; None for those of this process.
        program: What was typed before them.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(given, program=program)
    return end(lambda: _train(options, shown_command(program, given)), output=options.output, kept=TRAINING_KEPT)


def _train(options: argparse.Namespace, command: str) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from textsem.processes import Processes
    from textsem.training.arae_run import ARAEJob, run_arae_job

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    check_device(options.device)
    check_output(options.output)
    folder = run_arae_job(ARAEJob(**vars(options), command=command))
    if Processes.current().is_main:
        print(f"saved {folder}")
    return 0
