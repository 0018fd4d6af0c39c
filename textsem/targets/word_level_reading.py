"""Read the files of a word-level target strictly, or say which one is broken and what to do."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from textsem.text.labels import LABEL_NAMES
from textsem.text.vocabulary import SPECIAL_WORDS, Vocabulary

__all__ = [
    "CHECKSUM_KEY",
    "MEND",
    "check_fit",
    "checksum_of",
    "read_config",
    "read_json",
    "read_vocabulary",
    "read_weights",
]

MEND = "take all three files from one folder that was written whole, or train the target again"

CHECKSUM_KEY = "vocabulary_sha256"

_KEYS = ("kind", "architecture", "label_names", "network")

Json = TypeVar("Json", dict[str, Any], list[Any])


def read_config(path: Path, *, kind: str, config_classes: Mapping[str, type[Any]]) -> Any:
    """Return the network's config, of the class of the architecture that the file names.

    Raises:
        ValueError: If it is another kind of file, a key is unknown or missing, or a value is none for its key.
    """
    description = read_json(path, dict)
    _check_keys(description, _KEYS, path)
    architecture, names = description["architecture"], description["label_names"]
    if description["kind"] != kind:
        raise ValueError(f"expected kind {kind} in {path}, got {description['kind']!r}; {MEND}")
    if architecture not in list(config_classes):
        known = ", ".join(config_classes)
        raise ValueError(f"expected architecture to be one of {known}, got {architecture!r} in {path}; {MEND}")
    if names != list(LABEL_NAMES):
        raise ValueError(f"expected labels {list(LABEL_NAMES)} in {path}, got {names}; {MEND}")
    config_class, values = config_classes[architecture], description["network"]
    if not isinstance(values, dict):
        raise ValueError(f"expected the network's shape by name in {path}, got {values!r}; {MEND}")
    _check_keys(values, tuple(field.name for field in fields(config_class)), path)
    for field in fields(config_class):
        if not _is_like(values[field.name], field.default):
            wanted = f"{field.name} like {json.dumps(field.default)}"
            raise ValueError(f"expected {wanted} in {path}, got {values[field.name]!r}; {MEND}")
    if values["num_classes"] != len(names):
        raise ValueError(f"expected num_classes {len(names)} in {path}, got {values['num_classes']}; {MEND}")
    try:
        return config_class(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})
    except ValueError as error:
        raise ValueError(f"{error} (in {path}; {MEND})") from error


def _check_keys(values: Mapping[str, Any], known: tuple[str, ...], path: Path) -> None:
    """Refuse a key too many, which would change nothing, and one too few, which a default would hide."""
    for what, keys in (("missing", set(known) - set(values)), ("unknown", set(values) - set(known))):
        if keys:
            wanted, came = ", ".join(known), ", ".join(sorted(keys))
            raise ValueError(f"expected the keys {wanted} in {path}, got {what} {came}; {MEND}")


def _is_like(value: Any, default: Any) -> bool:
    """Tell whether a value of JSON can stand for a field: a size above 0, sizes, or a number."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(_is_like(item, 1) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not isinstance(default, int) or (isinstance(value, int) and 0 < value < 2**31)


def read_vocabulary(path: Path) -> Vocabulary:
    """Return the words of a file that lists them.

    Raises:
        ValueError: If it is no list of different words.
    """
    words = read_json(path, list)
    strange = [word for word in words if not isinstance(word, str)]
    if strange:
        raise ValueError(f"expected a list of words in {path}, got {strange[0]!r} among them; {MEND}")
    try:
        return Vocabulary(words)
    except ValueError as error:
        raise ValueError(f"{error} (in {path}; {MEND})") from error


def read_weights(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Return the tensors of a file in float32, and the checksum of the words that they were saved with.

    Raises:
        ValueError: If the file is cut off or no safetensors, or a weight is not finite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            checksum = (file.metadata() or {}).get(CHECKSUM_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"expected whole weights in {path}, got a broken file ({error}); {MEND}") from error
    for name, value in weights.items():
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise ValueError(f"expected finite weights in {path}, got others in {name}; {MEND}")
    return {name: value.float() for name, value in weights.items()}, checksum


def checksum_of(vocabulary: Vocabulary) -> str:
    """Return a checksum of a vocabulary's words in their order."""
    return hashlib.sha256(json.dumps(vocabulary.words).encode("ascii")).hexdigest()


def check_fit(weights: Mapping[str, Tensor], shapes: Mapping[str, list[int]], words: Vocabulary, folder: Path) -> None:
    """Refuse files of different targets.

    Raises:
        ValueError: If the weights are not of ``shapes``, name by name, or there are more or fewer than words.
    """
    table = weights.get("embedding.weight")
    if table is not None and table.dim() == 2 and len(table) != words.size:
        raise ValueError(
            f"expected a vector in model.safetensors for each word of vocabulary.json in {folder}, got {len(table)} "
            f"for {words.size} words, the {len(SPECIAL_WORDS)} special ones counted; {MEND}"
        )
    for name in sorted(set(shapes) | set(weights)):
        came = list(weights[name].shape) if name in weights else "none"
        if came != shapes.get(name):
            wanted = shapes.get(name, "none")
            raise ValueError(
                f"expected weights in {folder} that fit its config: {name} of shape {wanted}, got {came}; {MEND}"
            )


def read_json(path: Path, kind: type[Json]) -> Json:
    """Return what a file of JSON holds.

    Raises:
        ValueError: If it is no JSON, or not of that kind.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON in {path}, got {error}; {MEND}") from error
    if not isinstance(value, kind):
        wanted = "an object" if kind is dict else "a list"
        raise ValueError(f"expected {wanted} of JSON in {path}, got {type(value).__name__}; {MEND}")
    return value
