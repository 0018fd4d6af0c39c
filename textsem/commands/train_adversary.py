"""Train an adversary: autoencoder, manifold, and the attack on a target, by Algorithm 2."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from textsem.commands.parsing import add_label_order, command_parser, shown_command
from textsem.commands.preconditions import check_output
from textsem.runs.devices import check_device
from textsem.runs.endings import TRAINING_KEPT, end

__all__ = ["main", "parse_arguments"]

DECODER_NAMES = ("arae", "language_model", "pretrained", "transpose_cnn")


EXAMPLE = (
    "--data snli_train.parquet --held-out snli_dev.parquet snli_test.parquet\n"
    "        --target bundled --output runs/adversary"
)


def parse_arguments(arguments: Sequence[str], *, program: str) -> argparse.Namespace:
    """Read the command line."""
    parser = command_parser(program, __doc__ or "", example=EXAMPLE)
    add = parser.add_argument
    add(
        "--data",
        default=None,
        help="labelled pairs: hub id, file or folder of splits (default: TEXTSEM_DATA, else SNLI)",
    )
    add("--split", default="train", help="split of --data to train on (default: %(default)s)")
    add_label_order(parser, "what label numbers 0, 1 and, of three classes, 2 mean, where the data does not say")
    add("--limit", type=int, default=0, help="most training pairs; 0 for all (default: %(default)s)")
    add("--sentences", nargs="*", default=[], help="more unlabelled sentences: files with text columns, captions say")
    add("--held-out", nargs="*", default=[], help="labelled files whose sentences must not be trained on (dev, test)")
    add(
        "--preset", default="base", help="sizes and schedule: base, language_model, paper, plain (default: %(default)s)"
    )
    add("--target", default="bundled", help="bundled, or a folder or hub id (default: %(default)s)")
    add("--keeper", default=None, help="classifier that has to keep the label while the target changes its mind")
    add("--access", choices=("score", "label", "gradient"), default="score", help="default: %(default)s")
    add("--gradient", choices=("surrogate", "evolution", "target"), default=None, help="where Eq. 6's gradient is from")
    add("--decoder", choices=DECODER_NAMES, default=None, help="what writes sentences (default: transpose_cnn)")
    add("--encoder", choices=("cnn", "arae"), default="cnn", help="feature extractor (default: %(default)s)")
    add("--arae", default=None, help="folder of scripts/train_arae.py, for its embeddings, encoder or decoder")
    add("--language-model", default=None, help="folder or hub id of the model that --decoder pretrained conditions")
    add("--tune-language-model", action="store_true", help="train that model too, not its prefix and output alone")
    add("--start-from", default=None, help="folder of a trained adversary: skip the first stage, keep its weights")
    add("--fresh-particles", action="store_true", help="with --start-from: begin both recognition networks afresh")
    add("--output", type=Path, required=True, help="folder for model, card, metrics, curve and training state")
    add("--reconstruction-steps", type=int, default=None, help="batches of the first stage (default: the preset's)")
    add("--manifold-steps", type=int, default=None, help="batches of the second stage")
    add("--adversarial-steps", type=int, default=None, help="batches of the third stage")
    add("--num-particles", type=int, default=None, help="M (default: the preset's)")
    add("--code-noise", type=float, default=None, help="longest noise on codes in training, share of their length")
    add("--embeddings", choices=("cooccurrence", "random", "arae"), default=None, help="start of the word vectors")
    add("--precision", choices=("float32", "bfloat16"), default=None, help="of matrix products (default: the preset's)")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--device", default="cpu", help="default: %(default)s")
    add("--resume", action="store_true", help="go on from the training state in --output")
    add("--max-minutes", type=float, default=None, help="stop after this time, whatever batch it is")
    add("--checkpoint-every", type=int, default=500, help="batches between two saved states (default: %(default)s)")
    add("--machine", default="not stated", help="what the model card says about the machine")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem train adversary") -> int:
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
    from textsem.training.adversary_run import AdversaryJob, run_adversary_job

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    check_device(options.device)
    check_output(options.output)
    folder = run_adversary_job(AdversaryJob(**vars(options), command=command))
    if Processes.current().is_main:
        print(f"saved {folder}")
    return 0
