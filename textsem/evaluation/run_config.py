"""Every option of the main job, checked once; its fields are the command line's names."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, get_args

import torch

from textsem.attacks.chunk import AttackConfig
from textsem.attacks.manifold import ManifoldConfig
from textsem.evaluation.filters import FilterConfig, PartOfSpeech, Precision
from textsem.evaluation.judging import JuryConfig
from textsem.model_config import DECODERS
from textsem.protocols import Access, GenerationConfig
from textsem.text.labels import align_labels

__all__ = ["NOT_BINDING", "AttackSnliConfig", "CandidatesFrom", "Goal"]

CandidatesFrom = Literal["adversarial", "basis", "clean", "isotropic", "neighbours", "reconstruction"]
Decoding = Literal["mixture", "single", "free"]
Generation = Literal["greedy", "sampling", "beam"]
Goal = Literal["valid", "flip"]

# What a line does not depend on: a run may be resumed with another value.
NOT_BINDING = (
    *("data", "split", "limit", "output", "resume", "device", "batch_size", "controls"),
    "judges",
)
WHOLE_NUMBERS = (
    *("limit", "max_queries", "seed", "batch_size", "max_edits", "num_candidates"),
    *("num_return_sequences", "num_particles"),
)
NUMBERS = ("eps", "max_perplexity_ratio", "margin_centre", "margin_width", "min_similarity")
MAY_BE_NONE = {"eps", "max_edits", "max_perplexity_ratio", "num_particles"}


@dataclass(frozen=True)
class AttackSnliConfig:
    """Every option of the main job.

    Args:
        data: A file, a folder of splits or a hub id; None for SNLI, or the demo pairs where SNLI is not to be had.
        split: Which split.
        limit: Number of pairs from the start; 0 for all.
        target: ``bundled``, or a folder or hub id of a classifier.
        access: ``score``, ``label`` or ``gradient``: what the target tells.
        max_queries: Most rows sent to the target for the candidates of one pair.
        model: ``bundled``, or the folder of an adversary.
        candidates_from: ``adversarial`` for E'; ``basis`` for GBSM without Eq. 6; or one of the controls of METHOD
            section 6.
        output: Folder for the results.
        resume: Continue the run in that folder; otherwise it is begun anew.
        seed: Seed of the run.
        device: Where the target runs; None for a GPU if there is one.
        batch_size: Most rows in one forward pass of the target.
        label_order: Label names in the order of the target's outputs, where it calls them LABEL_0, LABEL_1, LABEL_2.
        data_label_order: Label names in the order of the data's numbers, where it names none and SNLI's order is wrong.
        eps: Gate of Eq. 6: largest L2 distance of the embedded hypotheses; None for any.
        max_edits: Most words that may change; None for any.
        max_perplexity_ratio: How much less likely than the original a candidate may be under the adversary's trigram;
            None for any.
        num_candidates: Candidates drawn for each pair, before any filter.
        goal: ``valid``: candidates must keep meaning, fluency and the label of a filter model before the target is
            asked.  ``flip``: only fluency is asked for, each code is decoded by itself, and the prediction has to
            change, whatever a reader would say.
        decoder: Decoder that the adversary must have; None for whichever it has.
        decoding: See ``ManifoldConfig``; None for what the goal asks for: ``mixture`` where it is ``valid``.
        generation: How a decoder that runs ``free`` chooses words.
        filter_model: NLI model that has to keep the label, if barely: ``auto`` for the bundled target where that is not
            the one under attack, ``none``, ``bundled``, or a folder or hub id; see ``scripts/train_filter.py``.
        margin_centre: By how much the filter model should put the label ahead, nats; candidates nearest to it are
            asked first.
        margin_width: Largest distance from it.
        part_of_speech: ``universal``: a changed word keeps its part of speech; ``penn``: its form too; by the tagger of
            nltk or spaCy, whichever is there.  ``none``: neither.
        filter_precision: ``float32``, ``bfloat16`` or ``float16``, of sentence encoder and filter model.
        target_precision: Of a Hugging Face target.
        num_return_sequences: Adversarials that are looked for in one pair; a run writes one line a pair, so that it
            takes 1, and the pipeline any number.
        controls: Folders of finished runs with other ``candidates_from`` on the same pairs and target; the report sets
            this run against them and says first if it is not above one.
        num_particles: M; None for the adversary's own number.
        judges: NLI models that judge the finished run, by name or folder; the first one scores.  None of them may have
            taken part in the attack.
        sentence_encoder: Folder or hub id of the model that measures similarity, for the filter and for the judgement;
            None for what the environment variable TEXTSEM_SENTENCE_ENCODER names, and without it the filter has only
            the adversary's own distilled table.
        min_similarity: Smallest similarity of a candidate, and of a valid success.
    """

    data: str | None = None
    split: str = "test"
    limit: int = 300
    target: str = "bundled"
    access: Access = "score"
    max_queries: int = 100
    model: str = "bundled"
    candidates_from: CandidatesFrom = "adversarial"
    output: str = "runs/attack_snli"
    resume: bool = False
    seed: int = 0
    device: str | None = None
    batch_size: int = 64
    label_order: tuple[str, ...] | None = None
    data_label_order: tuple[str, ...] | None = None
    eps: float | None = None
    max_edits: int | None = 3
    max_perplexity_ratio: float | None = 2.0
    num_candidates: int = 120
    goal: Goal = "valid"
    decoder: str | None = None
    decoding: Decoding | None = None
    generation: Generation = "greedy"
    filter_model: str = "auto"
    margin_centre: float = 0.25
    margin_width: float = 1.25
    part_of_speech: PartOfSpeech = "none"
    filter_precision: Precision = "float32"
    target_precision: Precision = "float32"
    num_return_sequences: int = 1
    num_particles: int | None = None
    controls: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    sentence_encoder: str | None = None
    min_similarity: float = 0.80

    def __post_init__(self) -> None:
        """Check what no part checks that is built from these options; lists become tuples."""
        for name in WHOLE_NUMBERS:
            _check_number(name, getattr(self, name), Integral, "a whole number")
        for name in NUMBERS:
            _check_number(name, getattr(self, name), Real, "a number")
        object.__setattr__(self, "controls", tuple(self.controls))
        object.__setattr__(self, "judges", tuple(self.judges))
        for name in ("label_order", "data_label_order"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
                _check_order(name, getattr(self, name))
        if self.candidates_from not in get_args(CandidatesFrom):
            names = ", ".join(get_args(CandidatesFrom))
            raise ValueError(f"expected candidates_from to be one of {names}, got {self.candidates_from!r}")
        if self.goal not in get_args(Goal):
            raise ValueError(f"expected goal to be one of {', '.join(get_args(Goal))}, got {self.goal!r}")
        if self.decoding is not None and self.decoding not in get_args(Decoding):
            raise ValueError(f"expected decoding to be one of {', '.join(get_args(Decoding))}, got {self.decoding!r}")
        if self.decoder is not None and self.decoder not in DECODERS:
            raise ValueError(f"expected decoder to be one of {', '.join(sorted(DECODERS))}, got {self.decoder!r}")
        for name in ("filter_precision", "target_precision"):
            if getattr(self, name) not in get_args(Precision):
                known = ", ".join(get_args(Precision))
                raise ValueError(f"expected {name} to be one of {known}, got {getattr(self, name)!r}")
        if self.generation not in get_args(Generation):
            raise ValueError(
                f"expected generation to be one of {', '.join(get_args(Generation))}, got {self.generation!r}"
            )
        if self.generation != "greedy" and self.decoding != "free":
            raise ValueError(f"expected decoding free beside generation {self.generation}, got {self.decoding}")
        if self.part_of_speech not in get_args(PartOfSpeech):
            names = ", ".join(get_args(PartOfSpeech))
            raise ValueError(f"expected part_of_speech to be one of {names}, got {self.part_of_speech!r}")
        for name in ("batch_size", "num_particles"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected {name} >= 1, got {value}")
        self.jury_config()
        self.filter_config()

    def attack_config(self) -> AttackConfig:
        """Return the part of the options that the attack loop reads."""
        return AttackConfig(
            max_queries=self.max_queries,
            num_candidates=self.num_candidates,
            eps=self.eps,
            max_edits=self.max_edits,
            seed=self.seed,
            num_return_sequences=self.num_return_sequences,
        )

    def codes_config(self, num_particles: int) -> ManifoldConfig:
        """Return how codes are moved and decoded, given the adversary's number of particles."""
        decoding: Decoding = self.decoding or ("mixture" if self.goal == "valid" else "single")
        return ManifoldConfig(
            num_particles=self.num_particles or num_particles,
            seed=self.seed,
            decoding=decoding,
            generation=GenerationConfig(self.generation),
        )

    def filter_config(self) -> FilterConfig:
        """Return what a candidate must meet."""
        is_valid = self.goal == "valid"
        return FilterConfig(
            max_perplexity_ratio=self.max_perplexity_ratio,
            sentence_encoder=self.sentence_encoder,
            min_similarity=self.min_similarity if is_valid else None,
            filter_model=self.filter_model if is_valid else "none",
            margin_centre=self.margin_centre,
            margin_width=self.margin_width,
            part_of_speech=self.part_of_speech if is_valid else "none",
            precision=self.filter_precision,
            is_bundled_target=self.target == "bundled",
            device=self.device_name(),
            batch_size=self.batch_size,
        )

    def device_name(self) -> str:
        """Return where the models run."""
        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")

    def jury_config(self) -> JuryConfig | None:
        """Return who judges the finished run; None for nobody."""
        if not self.judges:
            return None
        return JuryConfig(self.judges, self.sentence_encoder, self.min_similarity, device=self.device_name())


def _check_number(name: str, value: object, kind: type, expected: str) -> None:
    """Refuse what is no number of that kind; None passes where the option may be None."""
    if value is None and name in MAY_BE_NONE:
        return
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"expected {expected} as {name}, got {value!r}")


def _check_order(name: str, names: tuple[str, ...]) -> None:
    """Refuse names that are not each of three classes, or of two, once."""
    try:
        align_labels(names)
    except ValueError as error:
        raise ValueError(f"{error} in {name}") from None
