#!/usr/bin/env python
"""Train an adversary of images: autoencoder, manifold, and the attack on a target, by Algorithm 2.

Example:
    python scripts/train_image_adversary.py --dataset mnist --data mnist_folder --target runs/mnist_target
        --keeper runs/mnist_filter --output runs/mnist_adversary
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
    add("--dataset", choices=("mnist", "svhn", "celeba", "drawn-digits"), required=True)
    add("--data", default=None, help="folder or file of the data (default: IMAGES_EXT_DATA, or what is cached)")
    add("--limit", type=int, default=None, help="most training images (default: all)")
    add("--held-out", type=int, default=1000, help="last training images, measured on alone (default: %(default)s)")
    add("--preset", default=None, help="sizes and schedule: paper, mnist, svhn, celeba (default: that of --dataset)")
    add("--target", type=Path, default=None, help="folder of the classifier to attack; none: no third stage")
    add("--keeper", type=Path, nargs="+", default=(), metavar="DIR", help="classifiers that have to keep the label")
    add("--access", choices=("score", "label", "gradient"), default="score", help="default: %(default)s")
    add("--gradient", choices=("surrogate", "evolution", "target"), default=None, help="where Eq. 6's gradient is from")
    add("--start-from", type=Path, default=None, help="folder of a trained adversary: skip the first stage")
    add("--output", type=Path, required=True, help="folder for model, card, metrics and training state")
    add("--reconstruction-steps", type=int, default=None, help="batches of the first stage (default: the preset's)")
    add("--manifold-steps", type=int, default=None, help="batches of the second stage")
    add("--adversarial-steps", type=int, default=None, help="batches of the third stage")
    add("--num-particles", type=int, default=None, help="M (default: the preset's)")
    add("--code-noise", type=float, default=None, help="longest noise on codes in training, share of their length")
    add("--norm", choices=("l2", "linf", "rms", "mse"), default=None, help="of Eq. 6, pixels in [0, 1]")
    add("--decoding", choices=("decoded", "residual"), default=None, help="what the target is shown: see attack_images")
    add("--project", action=argparse.BooleanOptionalAction, default=None, help="show it inside the ball of --epsilon")
    add("--epsilon", type=float, default=None, help="radius of Eq. 6's gate, in units of --norm")
    add("--adversarial-weight", type=float, default=None, help="of Eq. 6's second term")
    add("--recognition-rate-adv", type=float, default=None, help="Adam's rate for the recognition network of E'")
    add("--common-rate-adv", type=float, default=None, help="the same for what its particles share, and for the class")
    add("--decoder-rate", type=float, default=None, help="Adam's for the decoder after the first stage; 0: held still")
    add("--extractor-rate", type=float, default=None, help="the same for the feature extractor")
    add("--condition", choices=("none", "label"), default=None, help="whether E' is told the class")
    add("--num-modes", type=int, default=None, help="ways that E' knows out of each class (default: the preset's)")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--num-threads", type=int, default=2, help="of torch (default: %(default)s)")
    add("--resume", action="store_true", help="go on from the training state in --output")
    add("--max-minutes", type=float, default=None, help="stop after this time, whatever batch it is")
    add("--checkpoint-every", type=int, default=500, help="batches between two saved states (default: %(default)s)")
    add("--machine", default="not stated", help="what the model card says about the machine")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, save, and print where; return the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = vars(parse_arguments(given))
    command = shown_command("python scripts/train_image_adversary.py", given)
    threads = options.pop("num_threads")

    def train() -> int:
        import torch

        from images_ext.training.adversary_run import ImageAdversaryJob, run_image_adversary_job
        from textsem.runs.allocator import keep_freed_memory
        from textsem.runs.whole_files import check_writable

        logging.basicConfig(level=logging.INFO, format="%(message)s")
        torch.set_num_threads(threads)
        keep_freed_memory()
        check_writable(options["output"])
        print(f"saved {run_image_adversary_job(ImageAdversaryJob(**options, command=command))}")
        return 0

    return end(train, output=options["output"], kept=TRAINING_KEPT)


if __name__ == "__main__":
    sys.exit(main())
