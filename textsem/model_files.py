"""The files of an adversary's folder: config.json, vocabulary.json, model.safetensors, trigram and meaning table.

The config is one that transformers' ``AutoConfig`` reads too: the shapes stand under ``adversary``, the rest are
transformers' own keys.  Nothing here is pickled, and nothing in a folder is code.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from textsem.model_config import TextAdversaryConfig
from textsem.text.meaning import MeaningTable
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import SPECIAL_WORDS, Vocabulary

__all__ = [
    "ADVERSARY_FORMAT",
    "CONFIG_NAME",
    "MODEL_TYPE",
    "VOCABULARY_NAME",
    "WEIGHTS_NAME",
    "AdversaryParts",
    "describe",
    "part_files",
    "read_parts",
    "write_parts",
]

ADVERSARY_FORMAT = "textsem-adversary-2"
MODEL_TYPE = "textsem"
CONFIG_NAME, VOCABULARY_NAME, WEIGHTS_NAME = "config.json", "vocabulary.json", "model.safetensors"
# What transformers writes into a config.json beside our keys; nothing of it shapes a model.
TRANSFORMERS_KEYS = {"architectures", "custom_pipelines", "dtype", "model_type", "torch_dtype", "transformers_version"}
PART_NAMES = {TrigramLanguageModel: "trigram", MeaningTable: "meaning table"}
MEND = "take all files from one folder that was written whole"

Json = TypeVar("Json", dict[str, Any], list[Any])
Part = TypeVar("Part", TrigramLanguageModel, MeaningTable)


@dataclass(frozen=True)
class AdversaryParts:
    """What an adversary is built from, beside its weights.

    Args:
        config: Shapes.
        vocabulary: Words and ids.
        language_model: Trigram, or None.
        meaning: Meaning table, or None.
    """

    config: TextAdversaryConfig
    vocabulary: Vocabulary
    language_model: TrigramLanguageModel | None
    meaning: MeaningTable | None


def describe(parts: AdversaryParts) -> dict[str, Any]:
    """Return what ``config.json`` holds, plain JSON types."""
    adversary: dict[str, Any] = json.loads(json.dumps(asdict(parts.config)))
    return {
        "format": ADVERSARY_FORMAT,
        "has_trigram": parts.language_model is not None,
        "has_meaning": parts.meaning is not None,
        "adversary": adversary,
    }


def part_files(has_trigram: bool, has_meaning: bool) -> tuple[str, ...]:
    """Return the names of the files beside ``config.json`` and the weights, within the folder."""
    trigram = ("trigram/trigram.json", "trigram/trigram.safetensors") if has_trigram else ()
    return (VOCABULARY_NAME, *trigram, *(("meaning.safetensors",) if has_meaning else ()))


def write_parts(parts: AdversaryParts, folder: Path) -> None:
    """Write all files but the weights and ``config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    words = list(parts.vocabulary.words[len(SPECIAL_WORDS) :])
    (folder / VOCABULARY_NAME).write_text(json.dumps(words, ensure_ascii=False) + "\n", encoding="utf-8")
    if parts.language_model is not None:
        parts.language_model.save(folder / "trigram")
    if parts.meaning is not None:
        parts.meaning.save(folder)


def read_parts(folder: Path) -> AdversaryParts:
    """Read all files but the weights, strictly.

    Raises:
        ValueError: If a file is missing, is not what its name says, or has unknown or missing keys.
    """
    for name in (CONFIG_NAME, VOCABULARY_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise ValueError(f"expected an adversary's folder with {name}, found none in {folder}")
    path = folder / CONFIG_NAME
    values = _read_json(path, dict)
    if values.get("format") != ADVERSARY_FORMAT:
        raise ValueError(f"expected a config.json of format {ADVERSARY_FORMAT} in {folder}, got {values.get('format')}")
    own = {name: value for name, value in values.items() if name not in TRANSFORMERS_KEYS}
    if set(own) != {"format", "has_trigram", "has_meaning", "adversary"} or not isinstance(own["adversary"], dict):
        raise ValueError(f"expected keys format, has_trigram, has_meaning and adversary in {path}, got {sorted(own)}")
    try:
        config = TextAdversaryConfig.from_dict(own["adversary"])
    except ValueError as error:
        raise ValueError(f"{error} (in {path}); {MEND}") from None
    parts = AdversaryParts(
        config,
        Vocabulary(_read_words(folder / VOCABULARY_NAME)),
        _load_part(TrigramLanguageModel, folder / "trigram") if own["has_trigram"] else None,
        _load_part(MeaningTable, folder) if own["has_meaning"] else None,
    )
    _check_words(parts, folder)
    return parts


def _check_words(parts: AdversaryParts, folder: Path) -> None:
    """Refuse files of different adversaries: an id must mean the same word in all of them."""
    words = parts.vocabulary.words
    trigram = None if parts.language_model is None else parts.language_model.vocabulary.words
    if trigram is not None and trigram != words:
        pairs = zip_longest(words[len(SPECIAL_WORDS) :], trigram[len(SPECIAL_WORDS) :])
        number, (own, other) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        raise ValueError(
            f"expected the words of {folder / VOCABULARY_NAME} in the trigram beside it, got {other!r} in place of "
            f"{own!r} as word {number}; {MEND}"
        )
    if parts.meaning is not None and len(parts.meaning.vectors) != len(words):
        raise ValueError(
            f"expected a meaning table of {len(words)} words in {folder}, as {VOCABULARY_NAME} has, "
            f"got {len(parts.meaning.vectors)}; {MEND}"
        )


def _read_json(path: Path, kind: type[Json]) -> Json:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}: {error}") from None
    if not isinstance(value, kind):
        raise ValueError(f"expected a {kind.__name__} in {path}, got {type(value).__name__}")
    return value


def _read_words(path: Path) -> Sequence[str]:
    words = _read_json(path, list)
    strange = next((word for word in words if not isinstance(word, str)), None)
    if strange is not None:
        raise ValueError(f"expected a list of words in {path}, got {strange!r} among them")
    return words


def _load_part(kind: type[Part], folder: Path) -> Part:
    try:
        return kind.load(folder)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"expected the {PART_NAMES[kind]} of this adversary in {folder}: {error}") from None
