#!/usr/bin/env python
"""Train a classifier of images: a target, plainly or against PGD, or a plain CNN that judges or filters.

Example:
    python scripts/train_image_target.py --dataset mnist --data mnist_folder --output runs/mnist_target
    python scripts/train_image_target.py --dataset mnist --data mnist_folder --kind reference --output runs/mnist_judge
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from textsem.commands.parsing import shown_command
from textsem.runs.endings import TRAINING_KEPT, end


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", choices=("mnist", "svhn", "celeba"), required=True)
    add("--data", default=None, help="folder or file of the data (default: IMAGES_EXT_DATA, or what is cached)")
    add("--limit", type=int, default=None, help="most training images (default: all)")
    add("--kind", choices=("residual", "reference"), default="residual", help="target, or judge and filter")
    add("--training", choices=("robust", "plain"), default="robust", help="of a target: against PGD, or without")
    add("--gpu", action="store_true", help="the schedule of the published targets, for a GPU")
    add("--width", type=float, default=None, help="factor on the published widths (default: the preset's)")
    add("--epochs", type=int, default=None, help="default: the preset's")
    add("--batch-size", type=int, default=None, help="default: the preset's")
    add("--learning-rate", type=float, default=None, help="default: the preset's")
    add("--last-images", type=int, default=None, help="images of the last stage, 40 steps each; 0 leaves it out")
    add("--attacked", type=int, default=1000, help="test images that PGD measures on (default: %(default)s)")
    add("--output", type=Path, required=True, help="folder for model, card, metrics and training state")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--num-threads", type=int, default=1, help="of torch (default: %(default)s)")
    add("--device", default="cpu", help="default: %(default)s")
    add("--resume", action="store_true", help="go on from the training state in --output")
    add("--max-minutes", type=float, default=None, help="stop training after this time, and measure what there is")
    add("--checkpoint-every", type=int, default=200, help="batches between two saved states (default: %(default)s)")
    add("--machine", default="not stated", help="what the model card says about the machine")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure, save, and print the card; return the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parse_arguments(given)
    return end(
        lambda: _train(options, shown_command("python scripts/train_image_target.py", given)),
        output=options.output,
        kept=TRAINING_KEPT,
    )


def _train(options: argparse.Namespace, command: str) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    import torch

    from images_ext.data.loading import load_images
    from images_ext.training.target import TargetEvaluation, train_image_target
    from images_ext.training.target_config import evaluation_attacks, make_configs
    from textsem.runs.allocator import keep_freed_memory

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.num_threads)
    keep_freed_memory()
    network, training = make_configs(options.dataset, options.kind, is_gpu=options.gpu, width=options.width)
    if options.training == "plain":
        training = training.without_attacks()
    training = training.changed(
        num_epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        num_last_images=options.last_images,
        seed=options.seed,
    )
    attacks = evaluation_attacks(options.dataset) if options.kind == "residual" else {}
    train_image_target(
        load_images(options.dataset, options.data, "train", limit=options.limit),
        load_images(options.dataset, options.data, "test"),
        network,
        training,
        options.output,
        evaluation=TargetEvaluation(attacks, options.attacked),
        command=command,
        machine=options.machine,
        device=options.device,
        is_resumed=options.resume,
        max_minutes=options.max_minutes,
        checkpoint_every=options.checkpoint_every,
    )
    print((options.output / "README.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
