"""The figures that concern an adversary alone: reconstruction, coverage, smoothness."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from textsem.data.nli import load_nli
from textsem.data.sentences import load_sentences
from textsem.evaluation.evaluation_tables import write_evaluation
from textsem.evaluation.reconstruction import measure_reconstruction, unseen_sentences
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.smoothness import Smoothness
from textsem.evaluation.smoothness_sources import SOURCES, measure_sources, median_interval, short_sentences
from textsem.model import TextAdversary
from textsem.runs.versions import package_versions
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

__all__ = ["EvaluateAdversaryConfig", "evaluate_adversary"]

SHORT = 10  # words and punctuation marks of the sentences that figures are stated for
NUM_EXAMPLES = 20
PLAIN_SOURCE = "isotropic"


@dataclass(frozen=True)
class EvaluateAdversaryConfig:
    """Every option of ``scripts/evaluate_adversary.py``.

    Args:
        model: ``bundled``, or the folder of an adversary.
        plain_model: Folder of a plain autoencoder to be measured beside it, or None.
        data: A file, a folder of splits or a hub id; None for SNLI, or the demo pairs where SNLI is not to be had.
        split: Which split.
        train_data: Files, folders or hub ids whose sentences count as seen in training; none leaves that row out.
        lm_data: The same for the trigram that judges; none takes the adversary's own trigram.
        limit: Number of pairs from the start; 0 for all.
        num_sentences: Sentences of the smoothness figure, the first different ones of up to 10 words.
        num_particles: M; None for the adversary's own number.
        seed: Draws particles, noise and examples.
        output: Folder for metrics and tables.
    """

    model: str = "bundled"
    plain_model: str | None = None
    data: str | None = None
    split: str = "test"
    train_data: tuple[str, ...] = ()
    lm_data: tuple[str, ...] = ()
    limit: int = 0
    num_sentences: int = 400
    num_particles: int | None = None
    seed: int = 0
    output: str = "runs/evaluate_adversary"

    def __post_init__(self) -> None:
        """Check the counts; lists become tuples."""
        for name in ("train_data", "lm_data"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("num_sentences", "num_particles"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected {name} >= 1, got {value}")


def evaluate_adversary(config: EvaluateAdversaryConfig) -> dict[str, Any]:
    """Measure an adversary on real sentences; write ``metrics.json`` and ``evaluation.md``.

    Args:
        config: The options.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        ValueError: If an option, the data or a model does not fit.
    """
    start = time.perf_counter()
    data = load_nli(config.data, split=config.split, limit=config.limit)
    hypotheses = [text for i, text in enumerate(data.hypotheses) if i not in data.problems]
    labels = [label for i, label in enumerate(data.labels) if i not in data.problems]
    folders = {"adversary": BUNDLED_MODEL if config.model == "bundled" else Path(config.model).expanduser()}
    if config.plain_model is not None:
        folders["plain"] = Path(config.plain_model).expanduser()
    models = {name: TextAdversary.from_pretrained(folder) for name, folder in folders.items()}
    training = load_sentences(config.train_data, split="train").sentences if config.train_data else None
    language_model, judge = _judge(models["adversary"], config.lm_data)

    found = _smoothness(models, hypotheses, labels, language_model, config)
    metrics = {
        "settings": asdict(config),
        "data": asdict(data.identity),
        "notice": data.notice,
        "models": {name: _identity(folder) for name, folder in folders.items()},
        "judge": judge,
        "reconstruction": {
            name: _reconstruction(model, hypotheses, training, config) for name, model in models.items()
        },
        "smoothness": {name: _summary(result) for name, result in found.items()},
        "examples": {
            name: _random_examples(result, language_model.vocabulary, seed=config.seed)
            for name, result in found.items()
        },
        "versions": package_versions(),
        "seconds": time.perf_counter() - start,
    }
    write_evaluation(Path(config.output), metrics)
    return metrics


def _random_examples(
    found: Smoothness, vocabulary: Vocabulary, *, seed: int, num_examples: int = NUM_EXAMPLES
) -> list[dict[str, Any]]:
    """Return sentences before and after the move, drawn at random from those with 1 to 3 changed words."""
    reached = found.is_reached.nonzero()[:, 0]
    order = torch.randperm(len(reached), generator=torch.Generator().manual_seed(seed))
    return [
        {
            "old": " ".join(vocabulary.decode(found.old_ids[i].tolist())),
            "new": " ".join(vocabulary.decode(found.new_ids[i].tolist())),
            "scale": float(found.scales[i]),
            "perplexity_ratio": float(found.perplexity_ratios[i]),
            "similarity": float(found.similarities[i]),
        }
        for i in reached[order[:num_examples]].tolist()
    ]


def _judge(model: TextAdversary, lm_data: Sequence[str]) -> tuple[TrigramLanguageModel, dict[str, Any]]:
    """Return the trigram that judges, and what it was fitted on."""
    if lm_data:
        data = load_sentences(lm_data, split="train")
        words = (tokenize(sentence).words for sentence in data.sentences)
        fitted = TrigramLanguageModel.fit(words, vocabulary=model.vocabulary)
        return fitted, {"fitted_on": list(data.sources), "sentences": len(data)}
    if model.language_model is None:
        raise ValueError("expected lm_data, since this adversary has no trigram of its own")
    return model.language_model, {"fitted_on": "the adversary's own trigram, which its attack may use too"}


def _smoothness(
    models: Mapping[str, TextAdversary],
    hypotheses: Sequence[str],
    labels: Sequence[int],
    language_model: TrigramLanguageModel,
    config: EvaluateAdversaryConfig,
) -> dict[str, Smoothness]:
    """Measure all sources of the adversary, and isotropic noise in the plain autoencoder, on the same sentences."""
    max_words = min(SHORT, *(model.config.max_length for model in models.values()))
    sentences = short_sentences(hypotheses, max_words=max_words, num_sentences=config.num_sentences)
    if not sentences:
        raise ValueError(f"expected a hypothesis of 1 to {max_words} words, got none")
    label_of = dict(zip(reversed(hypotheses), reversed(labels), strict=True))  # of its first pair
    found: dict[str, Smoothness] = {}
    for name, model in models.items():
        measured = measure_sources(
            model,
            sentences,
            language_model=language_model,
            word_embeddings=models["adversary"].embedding_table(),
            num_particles=config.num_particles or model.config.num_particles,
            seed=config.seed,
            labels=[label_of[sentence] for sentence in sentences],
            sources=SOURCES if name == "adversary" else (PLAIN_SOURCE,),
        )
        found |= {source if name == "adversary" else f"{name} {source}": result for source, result in measured.items()}
    return found


def _summary(found: Smoothness) -> dict[str, Any]:
    ratios = found.perplexity_ratios[found.is_reached].tolist()
    return {**found.summary(), "median_ratio_interval": median_interval(ratios)}


def _reconstruction(
    model: TextAdversary, hypotheses: Sequence[str], training: Sequence[str] | None, config: EvaluateAdversaryConfig
) -> dict[str, Any]:
    """Return figures for short and for all sentences, all of them and those not seen in training."""
    groups = {"all": list(hypotheses)}
    if training is not None:
        groups["not seen in training"] = unseen_sentences(hypotheses, training)
    num_particles = config.num_particles or model.config.num_particles
    return {
        f"{group}, {length}": asdict(
            measure_reconstruction(model, sentences, num_particles=num_particles, seed=config.seed, max_words=max_words)
        )
        for group, sentences in groups.items()
        for length, max_words in ((f"up to {SHORT} words", SHORT), ("any length it takes", None))
    }


def _identity(folder: Path) -> dict[str, str]:
    weights = (folder / "model.safetensors").read_bytes()
    return {"name": str(folder), "sha256_of_weights": hashlib.sha256(weights).hexdigest()}
