"""The job of ``scripts/train_image_target.py``: train a target, judge or filter, measure it, save it with its card."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from images_ext.attacks.pgd import PgdConfig
from images_ext.data.images import ImageSet
from images_ext.targets.loading import ImageNetwork, save_image_target
from images_ext.targets.reference import ReferenceConfig, ReferenceNetwork
from images_ext.targets.residual import ResidualConfig, ResidualNetwork
from images_ext.training.target_config import ImageTargetTrainingConfig
from images_ext.training.target_evaluation import evaluate_target
from images_ext.training.target_run import ImageTargetRun
from textsem.runs.card import card_end
from textsem.runs.checkpoint import TRAINING_STATE_FILE, write_text
from textsem.runs.folder_lock import FolderLock
from textsem.runs.whole_files import check_writable, write_json

__all__ = ["TargetEvaluation", "build_network", "train_image_target"]

METRICS_FILE, CARD_FILE = "metrics.json", "README.md"


@dataclass(frozen=True)
class TargetEvaluation:
    """How a target is measured at the end.

    Args:
        attacks: By name, one after the other; empty where only clean accuracy is asked for.
        num_attacked: How many test images are attacked, from the first.
    """

    attacks: Mapping[str, PgdConfig]
    num_attacked: int = 1000


def build_network(config: ResidualConfig | ReferenceConfig, *, seed: int) -> ImageNetwork:
    """Return a network of a config with weights drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(config, ResidualConfig):
        return ResidualNetwork(config).initialise(generator)
    return ReferenceNetwork(config).initialise(generator)


def train_image_target(
    train: ImageSet,
    test: ImageSet,
    network_config: ResidualConfig | ReferenceConfig,
    config: ImageTargetTrainingConfig,
    folder: Path,
    *,
    evaluation: TargetEvaluation,
    command: str,
    machine: str = "not stated",
    device: str = "cpu",
    is_resumed: bool = False,
    max_minutes: float | None = None,
    checkpoint_every: int = 200,
) -> dict[str, Any]:
    """Train, measure on the test images, and write model, metrics and card.

    Args:
        train: Training images; the last ``config.num_dev_images`` are only watched.
        test: For the figures at the end alone.
        network_config: Sizes.
        config: Settings of the training.
        folder: For model, metrics, card, and the training state while it is needed.
        evaluation: How it is measured.
        command: What was typed, for the card.
        machine: What the card says about the machine.
        device: Where it is trained.
        is_resumed: Go on from the state in ``folder``.
        max_minutes: Stop after this time of training and measure what there is; the state is kept then.
        checkpoint_every: Steps between two saved states.

    Returns:
        Everything in ``metrics.json``.

    Raises:
        ValueError: If images and network do not fit, or there is nothing to resume from.
    """
    for images in (train, test):
        if images.shape != network_config.image_shape or images.num_classes != network_config.num_classes:
            raise ValueError(
                f"expected {network_config.num_classes} classes of images {network_config.image_shape}, got "
                f"{images.num_classes} of {images.shape} in {images.name} {images.split}"
            )
    check_writable(folder)
    lock = FolderLock(folder)
    try:
        settings = {"network": asdict(network_config), "training": asdict(config), "images": len(train)}
        settings = json.loads(json.dumps(settings))  # as a state gives them back: lists for tuples
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)  # dropout knows no generator
            network = build_network(network_config, seed=config.seed).to(device)
            run = ImageTargetRun(network, train, config, folder, settings=settings, checkpoint_every=checkpoint_every)
            if is_resumed:
                run.resume()
            is_finished = run.train(max_minutes=max_minutes)
        measured = evaluate_target(
            network.eval(), test, evaluation.attacks, num_attacked=evaluation.num_attacked, seed=config.seed
        )
        metrics = {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "is_finished": is_finished,
            "steps": run.progress.step,
            "steps_planned": run.num_steps,
            "training_seconds": round(run.progress.seconds, 1),
            "test": measured,
            "epochs": run.progress.metrics,
        }
        save_image_target(folder, network, run.facts())
        write_json(folder / METRICS_FILE, metrics)
        write_text(folder / CARD_FILE, _card(train, test, settings, metrics, config.seed, command, machine))
        if is_finished:
            (folder / TRAINING_STATE_FILE).unlink(missing_ok=True)  # large, where attacks are stored in it
        return metrics
    finally:
        lock.release()


def _card(
    train: ImageSet,
    test: ImageSet,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    seed: int,
    command: str,
    machine: str,
) -> str:
    """Return the model card in Markdown."""
    measured = metrics["test"]
    lines = [
        f"# Classifier of {train.name}",
        "",
        f"{metrics['parameters']:,} parameters; classes {', '.join(train.label_names)}; pixels in [0, 1].",
        "",
        "| measured on test images | value | 95% interval (Wilson) | images |",
        "|---|---|---|---|",
    ]
    lines.append(_row("clean accuracy", measured["clean_accuracy"]))
    for index, attack in enumerate(measured["attacks"]):
        how = attack["settings"]
        name = (
            f"under PGD, {how['norm']} {how['epsilon']:.4g}, {how['num_steps']} steps of {how['step_size']:.4g}, "
            f"{how['num_restarts']} random starts"
        )
        lines.append(_row(f"and {name}" if index else name, attack["accuracy"]))
    if measured["attacks"]:
        lines += [
            "",
            "An image that was wrong before counts as wrong; one that an attack changed stays so further down.",
        ]
    if not metrics["is_finished"]:
        lines += ["", f"Stopped after {metrics['steps']} of {metrics['steps_planned']} steps."]
    lines += [
        "",
        f"- Trained on: {train.name} {train.split}, {len(train)} images, the last "
        f"{settings['training']['num_dev_images']} of them watched, not trained on",
        f"- Measured on: {test.name} {test.split}, {len(test)} images",
        f"- Training took {metrics['training_seconds'] / 60:.1f} minutes",
    ]
    return "\n".join([*lines, *card_end(command=command, seed=seed, machine=machine, settings=settings)])


def _row(name: str, accuracy: Mapping[str, Any]) -> str:
    low, high = accuracy["interval"]
    return f"| {name} | {accuracy['value']:.2%} | {low:.2%} to {high:.2%} | {accuracy['images']} |"
