"""Models of ``scripts/train_target.py`` by what their cards say: settings, data, time."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textsem.data.nli import NliData

if TYPE_CHECKING:
    from textsem.targets.attention import AttentionConfig
    from textsem.training.target import TargetTrainingConfig

__all__ = ["check_trained", "network_and_training", "seconds_of_training"]

CARD_NAME = "README.md"
DIGEST_LENGTH = 16  # of a card's data


def network_and_training(
    num_epochs: int, batch_size: int, seed: int
) -> tuple["AttentionConfig", "TargetTrainingConfig"]:
    """Return what an experiment trains: the attention model of ``scripts/train_target.py`` with its defaults."""
    from textsem.targets.attention import AttentionConfig
    from textsem.training.target import TargetTrainingConfig

    return AttentionConfig(), TargetTrainingConfig(num_epochs=num_epochs, batch_size=batch_size, seed=seed)


def check_trained(
    folder: Path,
    network: "AttentionConfig",
    training: "TargetTrainingConfig",
    *,
    train_data: NliData,
    dev_data: NliData,
) -> None:
    """Make sure that a model was trained with these settings on these data to its end.

    Raises:
        ValueError: If the folder has no card, or the card says otherwise.
    """
    text = _card(folder)
    stated = _settings(text, folder)
    others = [name for name in stated if name not in ("network", "training", "num_pairs") and stated[name]]
    if others or stated.get("num_pairs") != len(train_data):
        got = ", ".join([f"{stated.get('num_pairs')} pairs", *others])
        raise ValueError(f"expected a model trained on {len(train_data)} pairs and no others in {folder}, got {got}")
    for name, config in (("network", network), ("training", training)):
        defaults = asdict(type(config)())  # of settings that are younger than the card
        for field, value in asdict(config).items():
            found = stated.get(name, {}).get(field, defaults[field])
            if json.dumps(found) != json.dumps(value):
                raise ValueError(f"expected a model trained with {field} {value!r} in {folder}, got {found!r}")
    epochs = re.search(r"^\| epochs completed \| (\d+) \|$", text, re.MULTILINE)
    if epochs is None or int(epochs[1]) != training.num_epochs:
        raise ValueError(f"expected a training of {training.num_epochs} whole epochs in {folder}, got another")
    for role, data in (("Training data", train_data), ("Chosen on", dev_data)):
        line = re.search(rf"^- {role}: (.*)$", text, re.MULTILINE)
        said = "nothing" if line is None else line[1]
        if data.identity.sha256[:DIGEST_LENGTH] not in said:
            wanted = f"{len(data)} pairs, sha256 {data.identity.sha256[:DIGEST_LENGTH]}"
            raise ValueError(f"expected {role.lower()} of {wanted} for {folder}, got {said}")


def seconds_of_training(folder: Path) -> float:
    """Return how long a training took, all its runs together, as its card says.

    Raises:
        ValueError: If the folder has no card, or it does not say.
    """
    found = re.search(r"^\| seconds \| (\d+) \|$", _card(folder), re.MULTILINE)
    if found is None:
        raise ValueError(f"expected the seconds of a training in {folder / CARD_NAME}, got none")
    return float(found[1])


def _card(folder: Path) -> str:
    path = folder / CARD_NAME
    if not path.is_file():
        raise ValueError(f"expected the {CARD_NAME} of a trained model in {folder}, got none")
    return path.read_text(encoding="utf-8")


def _settings(text: str, folder: Path) -> Mapping[str, Any]:
    """Return the settings at the end of a card."""
    block = text.partition("```json\n")[2].partition("\n```")[0]
    try:
        return dict(json.loads(block))
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected settings as JSON in {folder / CARD_NAME}, got {error}") from error
