"""What a candidate must meet before the target is asked, put together from the options of a run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textsem.constraints.agreement import AgreementConstraint
from textsem.constraints.fluency import FluencyConstraint
from textsem.constraints.sentence_encoder import SentenceEncoder
from textsem.constraints.similarity import SimilarityConstraint
from textsem.evaluation.identity import identify_model
from textsem.evaluation.judging import ENCODER_VARIABLE
from textsem.model import TextAdversary
from textsem.protocols import Constraint, Ranker
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target

__all__ = ["FilterConfig", "Filters", "load_filters"]


@dataclass(frozen=True)
class FilterConfig:
    """Which conditions a run sets, cheap ones first.

    Args:
        max_perplexity_ratio: Of trigram perplexities, new to old; None for no condition.
        sentence_encoder: Folder or hub id; None for what the environment variable TEXTSEM_SENTENCE_ENCODER names.
        min_similarity: Of sentence vectors, old and new; None for no condition.
        filter_model: See ``AttackSnliConfig``.
        min_agreement: Smallest probability that the filter model gives the label.
        is_bundled_target: Whether the target under attack is the bundled one, which then cannot be the filter.
        device: Where the models run.
        batch_size: Most rows in one forward pass.
    """

    max_perplexity_ratio: float | None = 2.0
    sentence_encoder: str | None = None
    min_similarity: float | None = 0.80
    filter_model: str = "auto"
    min_agreement: float = 0.5
    is_bundled_target: bool = False
    device: str = "cpu"
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check the ranges, and that the filter model is not the target."""
        if self.filter_model == "bundled" and self.is_bundled_target:
            raise ValueError("expected a filter model that is not the target under attack, got bundled for both")
        if not 0.0 < self.min_agreement <= 1.0:
            raise ValueError(f"expected min_agreement above 0 and at most 1, got {self.min_agreement}")

    def filter_name(self) -> str | None:
        """Return the filter model's name, or None for no filter."""
        automatic = "none" if self.is_bundled_target else "bundled"
        name = automatic if self.filter_model == "auto" else self.filter_model
        return None if name == "none" else name


@dataclass(frozen=True)
class Filters:
    """What the attack loop is given.

    Args:
        constraints: In the order in which they are asked.
        ranker: Which candidates are asked first; None for the candidates' own similarity.
        identity: Models that take part, by role.
    """

    constraints: Sequence[Constraint]
    ranker: Ranker | None
    identity: dict[str, dict[str, str | None]]


def load_filters(config: FilterConfig, model: TextAdversary) -> Filters:
    """Load what a run's conditions need.

    Args:
        config: The conditions.
        model: Its trigram measures fluency.

    Raises:
        ValueError: If a model cannot be loaded.
    """
    constraints: list[Constraint] = []
    identity = {}
    ranker: Ranker | None = None
    if model.language_model is not None and config.max_perplexity_ratio is not None:
        constraints.append(FluencyConstraint(model.language_model, max_ratio=config.max_perplexity_ratio))
    encoder_name = config.sentence_encoder or os.environ.get(ENCODER_VARIABLE) or None
    if encoder_name is not None and config.min_similarity is not None:
        encoder = SentenceEncoder(encoder_name, device=config.device, batch_size=config.batch_size)
        constraints.append(SimilarityConstraint(encoder, min_similarity=config.min_similarity))
        identity["sentence_encoder"] = identify_model(encoder_name, Path(encoder_name))
    filter_name = config.filter_name()
    if filter_name is not None:
        filter_model = load_target(filter_name, device=config.device, batch_size=config.batch_size)
        constraints.append(AgreementConstraint(filter_model, min_probability=config.min_agreement))
        identity["filter_model"] = identify_model(filter_name, BUNDLED_TARGET)
    return Filters(constraints, ranker, identity)
