"""Judge finished runs: load who judges, ask, and keep what they say beside the results."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textsem.evaluation.identity import Identity, check_independent, identify_model
from textsem.evaluation.judges import (
    JUDGEMENTS_NAME,
    Judgement,
    SentenceSimilarity,
    judge_results,
    read_judgements,
    write_judgements,
)
from textsem.evaluation.reporting import read_object
from textsem.evaluation.results import RESULTS_NAME
from textsem.evaluation.validity import ValidityThresholds, summarise_validity
from textsem.outputs import AttackResult
from textsem.protocols import Target
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target
from textsem.text.ngram import TrigramLanguageModel

__all__ = ["ENCODER_VARIABLE", "Jury", "JuryConfig", "judge_lines", "judgements_of", "load_jury"]

ENCODER_VARIABLE = "TEXTSEM_SENTENCE_ENCODER"
JURY_NAME = "jury.json"


@dataclass(frozen=True)
class JuryConfig:
    """Who judges, and by which thresholds.

    Args:
        judges: NLI models by name or folder, as ``load_target`` takes them; the first one scores.
        sentence_encoder: Folder or hub id; None for what the environment variable TEXTSEM_SENTENCE_ENCODER names, and
            without it similarity is not measured and validity cannot be stated.
        min_similarity: See ``ValidityThresholds``.
        max_perplexity_ratio: See ``ValidityThresholds``.
        device: Where the models run.
        batch_size: Most rows in one forward pass.

    Raises:
        ValueError: If no judge is named, or a threshold is out of range.
    """

    judges: tuple[str, ...]
    sentence_encoder: str | None = None
    min_similarity: float = 0.80
    max_perplexity_ratio: float | None = 2.0
    device: str = "cpu"
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check the fields; lists, as JSON and the command line give them, become tuples."""
        object.__setattr__(self, "judges", tuple(self.judges))
        if not self.judges:
            raise ValueError("expected at least one judge, got none")
        self.thresholds()

    def thresholds(self) -> ValidityThresholds:
        """Return the thresholds."""
        return ValidityThresholds(self.min_similarity, self.max_perplexity_ratio)


@dataclass(frozen=True)
class Jury:
    """Everything that is asked about a finished run.

    Args:
        judges: By the last part of their names; the first one scores.
        encoder: Measures similarity; None if there is none.
        language_model: Measures fluency; None if there is none.
        thresholds: What a valid success must keep.
        identity: Who they are: ``judges`` (name to identity), ``sentence_encoder``, ``language_model``.
    """

    judges: Mapping[str, Target]
    encoder: SentenceSimilarity | None
    language_model: TrigramLanguageModel | None
    thresholds: ValidityThresholds
    identity: dict[str, Any]


def load_jury(
    config: JuryConfig,
    language_model: TrigramLanguageModel | None,
    language_model_folder: Path,
    *,
    took_part: Mapping[str, Identity] | None = None,
) -> Jury:
    """Load judges and sentence encoder, after making sure that no judge took part in the attack.

    Args:
        config: Names and thresholds.
        language_model: An adversary's trigram, or None.
        language_model_folder: Where it lies; its digest stands in the summary.
        took_part: Identities of the models of the attack, by role.

    Raises:
        ValueError: If a judge took part, is named twice, or cannot be loaded, or the encoder cannot.
    """
    check_independent(config.judges, took_part or {})
    names = _short_names(config.judges)
    judges = {
        short: load_target(name, device=config.device, batch_size=config.batch_size) for short, name in names.items()
    }
    encoder_name = config.sentence_encoder or os.environ.get(ENCODER_VARIABLE) or None
    identity = {
        "judges": {short: identify_model(name, BUNDLED_TARGET) for short, name in names.items()},
        "sentence_encoder": None if encoder_name is None else identify_model(encoder_name, Path(encoder_name)),
        "language_model": None if language_model is None else _identify_trigram(language_model_folder),
    }
    return Jury(judges, _load_encoder(encoder_name, config), language_model, config.thresholds(), identity)


def judge_lines(folder: Path, results: Sequence[AttackResult], jury: Jury) -> tuple[list[Judgement], dict[str, Any]]:
    """Judge a run, write ``judgements.jsonl``, and return its lines as read back and the summary's ``validity``."""
    path = folder / JUDGEMENTS_NAME
    write_judgements(path, judge_results(results, jury.judges, jury.encoder, jury.language_model))
    judgements = read_judgements(path)
    validity = summarise_validity(results, judgements, thresholds=jury.thresholds)
    return judgements, {**validity, "measured_by": jury.identity}


def _load_encoder(name: str | None, config: JuryConfig) -> SentenceSimilarity | None:
    if name is None:
        return None
    from textsem.constraints.sentence_encoder import SentenceEncoder

    return SentenceEncoder(name, device=config.device, batch_size=config.batch_size)


def _identify_trigram(folder: Path) -> dict[str, str | None]:
    identity = identify_model(str(folder / "trigram"), folder / "trigram")
    return {**identity, "name": f"trigram of {folder.name}"}


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Map the last part of each name to the name; whole names where two end alike."""
    short = [Path(name).name or name for name in names]
    return dict(zip(short if len(set(short)) == len(short) else names, names, strict=True))


def judgements_of(folder: Path, results: Sequence[AttackResult], jury: Jury) -> list[Judgement]:
    """Return what the jury says about a run, from its file where the same jury has written it since the run."""
    path, stored = folder / JUDGEMENTS_NAME, folder / JURY_NAME
    if path.is_file() and stored.is_file() and path.stat().st_mtime >= (folder / RESULTS_NAME).stat().st_mtime:
        if read_object(stored) == jury.identity:
            return read_judgements(path)
    judgements, _ = judge_lines(folder, results, jury)
    stored.write_text(json.dumps(jury.identity, indent=2) + "\n", encoding="utf-8")
    return judgements
