"""What a candidate must meet before the target is asked, put together from the options of a run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textsem.attacks.selection import Shortlist, Step
from textsem.constraints.fluency import FluencyConstraint
from textsem.constraints.margin import MarginConstraint, WeightedRanker
from textsem.constraints.part_of_speech import PartOfSpeechConstraint
from textsem.constraints.sentence_encoder import SentenceEncoder
from textsem.constraints.similarity import SimilarityConstraint
from textsem.constraints.taggers import load_tagger
from textsem.evaluation.identity import identify_model
from textsem.evaluation.judging import ENCODER_VARIABLE
from textsem.model import TextAdversary
from textsem.protocols import Constraint, Ranker
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target

__all__ = ["FilterConfig", "Filters", "PartOfSpeech", "Precision", "load_filters"]

PartOfSpeech = Literal["none", "universal", "penn"]
Precision = Literal["float32", "bfloat16", "float16"]

# Of the bundled model beside a filter of one's own, which is the better judge: chosen on dev, see the README.
SHORTLIST_CENTRE = 0.0
SHORTLIST_WEIGHT = 0.2
FLUENCY_WEIGHT = 0.5  # of the log ratio of perplexities beside the filter's margin, both in nats; chosen on dev too


@dataclass(frozen=True)
class FilterConfig:
    """Which conditions a run sets, cheap ones first.

    Args:
        max_perplexity_ratio: Of trigram perplexities, new to old; None for no condition.
        sentence_encoder: Folder or hub id; None for what the environment variable TEXTSEM_SENTENCE_ENCODER names.
        min_similarity: Of sentence vectors, old and new; None for no condition.
        filter_model: See ``AttackSnliConfig``.
        margin_centre: Margin of the filter model that is looked for first, nats; see ``MarginConstraint``.
        margin_width: Largest distance from it.
        part_of_speech: ``universal`` or ``penn``: a word's part of speech, or its form too, must stay; see
            ``PartOfSpeechConstraint``; ``none`` for no condition.
        shortlist: Candidates of each pair that are kept, nearest to the bundled model's margin of 0, before sentence
            encoder and a filter model of one's own are asked; None keeps all.
        precision: Of encoder and filter model.
        is_bundled_target: Whether the target under attack is the bundled one, which then cannot be the filter.
        device: Where the models run.
        batch_size: Most rows in one forward pass.
    """

    max_perplexity_ratio: float | None = 2.0
    sentence_encoder: str | None = None
    min_similarity: float | None = 0.80
    filter_model: str = "auto"
    margin_centre: float = 0.25
    margin_width: float = 1.25
    part_of_speech: PartOfSpeech = "none"
    shortlist: int | None = 48
    precision: Precision = "float32"
    is_bundled_target: bool = False
    device: str = "cpu"
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check the ranges, and that the filter model is not the target."""
        if self.filter_model == "bundled" and self.is_bundled_target:
            raise ValueError("expected a filter model that is not the target under attack, got bundled for both")
        if not self.margin_width > 0.0:
            raise ValueError(f"expected margin_width above 0, got {self.margin_width}")
        if self.shortlist is not None and self.shortlist < 1:
            raise ValueError(f"expected shortlist >= 1 or None, got {self.shortlist}")

    def filter_name(self) -> str | None:
        """Return the filter model's name, or None for no filter."""
        automatic = "none" if self.is_bundled_target else "bundled"
        name = automatic if self.filter_model == "auto" else self.filter_model
        return None if name == "none" else name


@dataclass(frozen=True)
class Filters:
    """What the attack loop is given.

    Args:
        steps: Constraints, and perhaps a shortlist, in the order in which they are asked.
        ranker: Which candidates are asked first; None for the candidates' own similarity.
        identity: Models that take part, by role.
    """

    steps: Sequence[Step]
    ranker: Ranker | None
    identity: dict[str, dict[str, str | None]]

    @property
    def constraints(self) -> list[Constraint]:
        """The steps without the shortlist: what any candidate must meet, whoever proposes it."""
        return [step for step in self.steps if not isinstance(step, Shortlist)]


def load_filters(config: FilterConfig, model: TextAdversary) -> Filters:
    """Load what a run's conditions need.

    The bundled classifier, where it is not under attack, is asked first, because it is some fifty times cheaper than a
    fine-tuned encoder: as the filter itself, or to draw up the shortlist for one.

    Args:
        config: The conditions.
        model: Its trigram measures fluency.

    Raises:
        ValueError: If a model cannot be loaded.
    """
    steps: list[Step] = []
    identity: dict[str, dict[str, str | None]] = {}
    rankers: list[tuple[Ranker, float]] = []
    if model.language_model is not None and config.max_perplexity_ratio is not None:
        fluency = FluencyConstraint(model.language_model, max_ratio=config.max_perplexity_ratio)
        steps.append(fluency)
        rankers.append((fluency, FLUENCY_WEIGHT))
    if config.part_of_speech != "none":
        tagger = load_tagger()
        steps.append(PartOfSpeechConstraint(tagger, tagset=config.part_of_speech))
        identity["tagger"] = {"name": tagger.name, "sha256": None}
    filter_name = config.filter_name()
    if filter_name is not None and not config.is_bundled_target:
        cheap = _margin("bundled", config)
        identity["filter_model" if filter_name == "bundled" else "shortlist_model"] = _identity("bundled")
        if filter_name == "bundled":
            steps.append(cheap)
            rankers.append((cheap, 1.0))
        else:
            ranker = MarginConstraint(cheap.model, centre=SHORTLIST_CENTRE)
            steps += [] if config.shortlist is None else [Shortlist(ranker, config.shortlist)]
            rankers.append((ranker, SHORTLIST_WEIGHT))
    encoder_name = config.sentence_encoder or os.environ.get(ENCODER_VARIABLE) or None
    if encoder_name is not None and config.min_similarity is not None:
        encoder = SentenceEncoder(
            encoder_name, device=config.device, batch_size=config.batch_size, dtype=config.precision
        )
        steps.append(SimilarityConstraint(encoder, min_similarity=config.min_similarity))
        identity["sentence_encoder"] = identify_model(encoder_name, Path(encoder_name))
    if filter_name not in (None, "bundled"):
        own = _margin(filter_name, config)
        steps.append(own)
        rankers.append((own, 1.0))
        identity["filter_model"] = _identity(filter_name)
    return Filters(steps, WeightedRanker(*rankers) if filter_name else None, identity)


def _margin(name: str, config: FilterConfig) -> MarginConstraint:
    precision = "float32" if name == "bundled" else config.precision
    model = load_target(name, device=config.device, batch_size=config.batch_size, dtype=precision)
    return MarginConstraint(model, centre=config.margin_centre, width=config.margin_width)


def _identity(name: str) -> dict[str, str | None]:
    return identify_model(name, BUNDLED_TARGET)
