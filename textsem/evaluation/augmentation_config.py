"""Every option of augmentation, and the models that it takes."""

import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from textsem.attacks.candidates import CandidateSource
from textsem.attacks.controls import make_source
from textsem.attacks.manifold import ManifoldConfig
from textsem.attacks.new_rows import NEIGHBOURS, SOURCES, NewRowRules
from textsem.attacks.open_vocabulary import OpenVocabularySource
from textsem.attacks.selection import CandidateLimits, Step
from textsem.attacks.word_edits import EditConfig
from textsem.constraints.consent import ConsentConstraint
from textsem.constraints.similarity import SimilarityConstraint
from textsem.constraints.taggers import load_tagger
from textsem.evaluation.assembly import GIVEN, load_adversary
from textsem.evaluation.filters import FilterConfig, PartOfSpeech, Precision, load_filters
from textsem.evaluation.identity import BUNDLED_MODEL, identify_model, public_name
from textsem.evaluation.judging import ENCODER_VARIABLE
from textsem.model import TextAdversary
from textsem.protocols import Constraint, Target
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import is_address, load_target
from textsem.text.substitutes import SUBSTITUTES

__all__ = ["AugmentationConfig", "AugmentationParts", "identify_parts", "load_parts", "load_target_of"]

Identity = dict[str, dict[str, str | None]]
Candidates = Literal["fluent", "varied"]

# What a sentence may be is another matter in training than in an attack: rare words and broken bigrams teach as well,
# as long as the filter model consents to the label.
EDITS: dict[Candidates, EditConfig] = {
    "fluent": EditConfig(),
    "varied": EditConfig(
        num_substitutes=48,
        num_combined=32,
        fluency_weight=0.0,
        meaning_weight=3.0,
        trigram_penalty=0.0,
        max_new_trigrams=20,
        max_new_bigrams=10,
        min_similarity=0.5,
        max_perplexity_ratio=1000.0,
    ),
}


@dataclass(frozen=True)
class AugmentationConfig:
    """Every option of augmentation.

    Args:
        sources: Where new rows come from: ``adversarial``, flips of the target; ``boundary``, rows on which it keeps
            its answer, but barely; ``neighbours``, sentences beside the old one on the manifold.  None: all three where
            there is a target, neighbours alone where there is none.
        rows_per_source: Most new rows of each source for one pair.
        share: Share of the pairs that are tried, drawn by the pairs' seeds.
        target: The classifier that is to become more robust: ``bundled``, or a folder, hub id or address; None for
            none.
        label_order: Label names in the order of the target's outputs, where it calls them LABEL_0, LABEL_1, LABEL_2.
        data_label_order: What label numbers mean in the data, where its features do not say; SNLI's order if None.
        filter_model: NLI model without whose consent no row is made: ``bundled``, or a folder or hub id; ``auto`` for
            the bundled one where that is not the target; ``none`` to keep labels blindly.  A judge that is to score the
            outcome must not be it.
        min_margin: Nats by which it must put the label ahead.
        filter_precision: ``float32``, ``bfloat16`` or ``float16``, of filter model and sentence encoder.
        model: ``bundled``, or the folder or hub id of an adversary.
        candidates: ``fluent``: those that an attack would ask about; ``varied``: rarer words and rougher sentences too.
        lexicons: Where words come from that the adversary's vocabulary lacks, none or some of ``wordnet`` (synonyms, by
            nltk's data) and ``misspellings``; half of the candidates are then swaps with their words.
        num_codes: Codes that are decoded for a hypothesis.
        num_candidates: Candidates proposed for each pair, before any filter.
        num_asked: How many of them are drawn, those with rare words first of all; None for all.
        num_tries: Most candidates of each source and pair that encoder and filter model are asked about.
        boundary_width: Most nats by which the target puts the label ahead on a row of source ``boundary``.
        max_edits: Most words that may change; None for any.
        max_perplexity_ratio: Of trigram perplexities, new to old; None for no condition.
        part_of_speech: ``universal`` or ``penn``: a changed word keeps its part of speech; ``none`` for no condition.
        sentence_encoder: Folder or hub id of the model that measures similarity; None for what the environment variable
            TEXTSEM_SENTENCE_ENCODER names, and without it for no such condition.
        min_similarity: Smallest similarity of a new hypothesis and its original; None for no condition.
        device: Where target, filter model and encoder run.
        batch_size: Most rows in one forward pass.
        seed: Each pair derives its own from it, and from the epoch.
    """

    sources: tuple[str, ...] | None = None
    rows_per_source: int = 1
    share: float = 1.0
    target: str | None = None
    label_order: tuple[str, ...] | None = None
    data_label_order: tuple[str, ...] | None = None
    filter_model: str = "auto"
    min_margin: float = 0.5
    filter_precision: Precision = "float32"
    model: str = "bundled"
    candidates: Candidates = "varied"
    lexicons: tuple[str, ...] = ()
    num_codes: int = 16
    num_candidates: int = 400
    num_asked: int | None = 48
    num_tries: int = 4
    boundary_width: float = 1.0
    max_edits: int | None = 3
    max_perplexity_ratio: float | None = None
    part_of_speech: PartOfSpeech = "none"
    sentence_encoder: str | None = None
    min_similarity: float | None = 0.80
    device: str = "cpu"
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what no part checks; lists become tuples."""
        for name in ("sources", "label_order", "data_label_order", "lexicons"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"expected share above 0 and up to 1, got {self.share}")
        if self.filter_model != "none" and self.filter_model == self.target:
            raise ValueError(f"expected a filter model that is not the target, got {self.target} for both")
        unknown = [name for name in self.lexicons if name not in SUBSTITUTES]
        if unknown or len(set(self.lexicons)) < len(self.lexicons):
            raise ValueError(f"expected different lexicons among {', '.join(SUBSTITUTES)}, got {list(self.lexicons)}")
        if self.candidates not in get_args(Candidates):
            raise ValueError(f"expected candidates fluent or varied, got {self.candidates!r}")
        self.rules(has_target=True)
        self.limits()
        self.filter_config()

    def rules(self, *, has_target: bool) -> NewRowRules:
        """Return how many rows are looked for."""
        sources = self.sources or (SOURCES if has_target else (NEIGHBOURS,))
        return NewRowRules(
            sources, self.rows_per_source, self.num_tries, self.num_candidates, self.num_asked, self.boundary_width
        )

    def limits(self) -> CandidateLimits:
        """Return how far a candidate may be from its original."""
        return CandidateLimits(max_edits=self.max_edits)

    def filter_config(self) -> FilterConfig:
        """Return the conditions besides the filter model's consent."""
        return FilterConfig(
            max_perplexity_ratio=self.max_perplexity_ratio,
            sentence_encoder=self.sentence_encoder,
            min_similarity=self.min_similarity,
            filter_model="none",
            part_of_speech=self.part_of_speech,
            shortlist=None,
            precision=self.filter_precision,
            device=self.device,
            batch_size=self.batch_size,
        )

    def filter_name(self) -> str | None:
        """Return the name of the filter model; None for none.

        Raises:
            ValueError: If it is to be the bundled one, and that is the target.
        """
        if self.filter_model == "auto" and self.target == "bundled":
            raise ValueError(
                "expected a filter model beside the bundled target, which cannot consent to its own flips: name one "
                "with filter_model (--filter-model; scripts/train_filter.py makes one), or none to keep labels blindly"
            )
        return {"auto": "bundled", "none": None}.get(self.filter_model, self.filter_model)


@dataclass(frozen=True)
class AugmentationParts:
    """What `find_new_rows` is given besides the target.

    Args:
        source: Proposes candidates.
        constraints: Cheap conditions.
        consent: Dear conditions.
        word_weight: How gladly a word is brought, in [0, 1]: its rank by frequency.
    """

    source: CandidateSource
    constraints: Sequence[Step]
    consent: Sequence[Constraint]
    word_weight: Callable[[str], float]


def load_parts(config: AugmentationConfig, given_adversary: TextAdversary | None = None) -> AugmentationParts:
    """Load adversary, encoder and filter model.

    Raises:
        ValueError: If one of them cannot be loaded.
    """
    adversary = given_adversary or load_adversary(config.model)
    edits = replace(EDITS[config.candidates], num_codes=config.num_codes)
    codes = ManifoldConfig(num_particles=adversary.config.num_particles, seed=config.seed, edits=edits)
    steps = load_filters(config.filter_config(), adversary).constraints
    consent: list[Constraint] = [step for step in steps if isinstance(step, SimilarityConstraint)]
    cheap = [step for step in steps if step not in consent]
    name = config.filter_name()
    if name is not None:
        precision = "float32" if name == "bundled" else config.filter_precision
        model = load_target(name, device=config.device, batch_size=config.batch_size, dtype=precision)
        consent.append(ConsentConstraint(model, min_margin=config.min_margin))
    # Words stand in the vocabulary by their frequency.
    ranks = {word: rank / adversary.vocabulary.size for rank, word in enumerate(adversary.vocabulary.words)}
    source = make_source("adversarial", adversary, codes)
    if config.lexicons:
        source = OpenVocabularySource(
            source,
            [SUBSTITUTES[name]() for name in config.lexicons],
            tagger=load_tagger(),
            vocabulary=adversary.vocabulary,
            table=adversary.embedding_table().detach(),
            max_length=adversary.config.max_length,
        )
    return AugmentationParts(source, cheap, consent, lambda word: ranks.get(word, 1.0))


def load_target_of(config: AugmentationConfig) -> Target | None:
    """Return the target that the config names; None where it names none."""
    if config.target is None:
        return None
    return load_target(
        config.target, device=config.device, batch_size=config.batch_size, label_order=config.label_order
    )


def identify_parts(config: AugmentationConfig, *, given_target: Any = None, given_adversary: Any = None) -> Identity:
    """Return the models that take part, by role, each with the digest of its files.

    Raises:
        ValueError: If filter model and target are the same files.
    """
    named: dict[str, tuple[Hashable, str | None, Any]] = {
        "adversary": (given_adversary, config.model, BUNDLED_MODEL),
        "target": (given_target, config.target, BUNDLED_TARGET),
        "filter_model": (None, config.filter_name(), BUNDLED_TARGET),
        "sentence_encoder": (None, config.sentence_encoder or os.environ.get(ENCODER_VARIABLE) or None, BUNDLED_TARGET),
    }
    identity: Identity = {}
    for role, (given, name, bundled) in named.items():
        if given is not None:
            identity[role] = {"name": GIVEN, "sha256": None}
        elif name is not None:
            is_remote = is_address(name)
            identity[role] = {"name": public_name(name), "sha256": None} if is_remote else identify_model(name, bundled)
    own, other = (identity.get(role, {}).get("sha256") for role in ("filter_model", "target"))
    if own is not None and own == other:
        raise ValueError(f"expected a filter model that is not the target, got {config.filter_name()} for both")
    return identity
