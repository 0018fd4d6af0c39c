"""Options of adversarial training, and what comes of them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textsem.data.nli import NliData
    from textsem.training.new_pairs import NewPairs, RowRenewer

__all__ = ["add_augment_options", "check_augment_options", "new_rows_of", "renewer_of"]

SOURCES = ("adversarial", "boundary", "neighbours")
# By the names of AugmentationConfig's fields.
OF_CONFIG = {"sources": "sources", "share": "share", "filter": "filter_model", "min_margin": "min_margin"}
OF_MAKING = ("target", *OF_CONFIG, "seed")


def add_augment_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--augment`` and what belongs to it."""
    add = parser.add_argument_group("new rows (see textsem augment)").add_argument
    add(
        "--augment",
        choices=("once", "renewed"),
        default=None,
        help="train on new rows too: made before the training, or renewed against the model in training",
    )
    add("--augment-from", type=Path, default=None, metavar="PATH", help="once: take those of textsem augment")
    add("--augment-target", default=None, metavar="NAME", help="once: the classifier attacked (default: none)")
    add("--augment-every", type=int, default=None, help="renewed: epochs until, and between, renewals (default: 1)")
    add("--augment-share", type=float, default=None, help="share of the pairs that are tried (default: 1.0)")
    add("--augment-sources", nargs="+", choices=SOURCES, default=None, help="default: all; no target: neighbours")
    add("--augment-filter", default=None, metavar="NAME", help="model that must give the label too (default: bundled)")
    add("--augment-min-margin", type=float, default=None, help="nats by which it must put it ahead (default: 0.5)")
    add("--augment-seed", type=int, default=None, help="of the rows (default: --seed)")


def check_augment_options(options: argparse.Namespace) -> None:
    """Refuse what does not go together.

    Raises:
        ValueError: If an option is given that the form of augmentation has not.
    """
    given = {name for name in ("from", "every", *OF_MAKING) if getattr(options, f"augment_{name}") is not None}
    if options.augment is None:
        unused, form = given, "without --augment"
    elif options.augment == "renewed":
        unused, form = given & {"from", "target"}, "with --augment renewed, which attacks the model in training"
    elif options.augment_from is not None:
        unused, form = given - {"from"}, "with --augment-from, whose rows are made"
    else:
        unused, form = given & {"every"}, "with --augment once"
    if unused:
        names = ", ".join(f"--augment-{name.replace('_', '-')}" for name in sorted(unused))
        raise ValueError(f"expected no {names} {form}")
    every = options.augment_every or 1
    if options.augment == "renewed" and every >= options.epochs:
        raise ValueError(f"expected --augment-every below --epochs {options.epochs}, got {every}: no epoch would renew")


def new_rows_of(options: argparse.Namespace, train: "NliData") -> "NewPairs | None":
    """Return the rows that join the training pairs before the training: made, read, or those of the resumed run.

    Raises:
        ValueError: If they cannot be made or read.
        TargetError: If the target does not answer.
    """
    if options.augment != "once":
        return None
    from textsem.adversarial_training import rows_from, rows_once

    if options.augment_from is not None:
        return rows_from(options.augment_from)
    resumed = options.output if options.resume else None
    return rows_once(train, _config(options), resumed=resumed, show_progress=True)


def renewer_of(options: argparse.Namespace, train: "NliData") -> "RowRenewer | None":
    """Return what renews rows in the training.

    Raises:
        ValueError: If an option or a model does not fit.
    """
    if options.augment != "renewed":
        return None
    from textsem.adversarial_training import RenewedRows

    return RenewedRows(train, _config(options), every=options.augment_every or 1, show_progress=True)


def _config(options: argparse.Namespace) -> Any:
    from textsem.augmentation import AugmentationConfig

    given = {field: getattr(options, f"augment_{name}") for name, field in OF_CONFIG.items()}
    return AugmentationConfig(
        target=options.augment_target,
        device=options.device,
        seed=options.seed if options.augment_seed is None else options.augment_seed,
        **{field: value for field, value in given.items() if value is not None},
    )
