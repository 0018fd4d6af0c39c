"""Measure adversaries on the same sentences, once: figures lie in a file until what they depend on is another."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textsem.attacks.proposals import reason_against
from textsem.data.nli import NliData
from textsem.evaluation.compare_runs import Scene
from textsem.evaluation.decoder_free_text import FREE_SOURCES, free_words, judge_free_text, summarise_free_text
from textsem.evaluation.decoder_measures import measure_decoder, time_decoders
from textsem.evaluation.judging import Jury
from textsem.model import TextAdversary

__all__ = ["MEASURES_NAME", "TIMES_NAME", "Sentences", "measure_model", "time_models"]

MEASURES_NAME, TIMES_NAME = "measures.json", "times.json"


@dataclass(frozen=True)
class Sentences:
    """What all adversaries of a comparison take.

    Args:
        indices: Places among the pairs.
        hypotheses: Of these pairs.
        labels: Of these pairs.
        reconstructed: Different sentences for the figures of reconstruction.
    """

    indices: tuple[int, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]
    reconstructed: tuple[str, ...]

    @classmethod
    def taken_by_all(
        cls, data: NliData, whole: NliData, models: Mapping[str, TextAdversary], *, num_sentences: int
    ) -> "Sentences":
        """Choose the pairs that every model takes, and the first different hypotheses of the whole split.

        Raises:
            ValueError: If there is no such pair.
        """
        shortest = min(model.config.max_length for model in models.values())

        def is_taken(some: NliData, i: int) -> bool:
            return i not in some.problems and reason_against(some.hypotheses[i], max_length=shortest) is None

        indices = tuple(i for i in range(len(data)) if is_taken(data, i))
        if not indices:
            raise ValueError(f"expected a hypothesis of 1 to {shortest} words, which every model takes, got none")
        texts = dict.fromkeys(text for i, text in enumerate(whole.hypotheses) if is_taken(whole, i))
        return cls(
            indices=indices,
            hypotheses=tuple(data.hypotheses[i] for i in indices),
            labels=tuple(data.labels[i] for i in indices),
            reconstructed=tuple(texts)[:num_sentences],
        )

    def digest(self) -> str:
        """Return a digest of all fields."""
        return hashlib.sha256(json.dumps(asdict(self), ensure_ascii=True).encode("ascii")).hexdigest()


def measure_model(scene: Scene, folder: Path, sentences: Sentences, jury: Jury) -> dict[str, Any]:
    """Measure an adversary by itself, and what it writes when it runs free.

    Args:
        scene: The adversary and the options of its attack.
        folder: Of this adversary; ``measures.json`` in it is read if it is about the same.
        sentences: What is measured on.
        jury: Its trigram and its encoder measure free text.

    Returns:
        What ``measure_decoder`` says; ``free``: what ``summarise_free_text`` says of each of ``FREE_SOURCES``; and
        ``texts``: the sentences behind it, by source, in the order of ``sentences.indices``.
    """
    model, num_particles = scene.model, _num_particles(scene)
    seed = scene.config.seed
    known = {
        "adversary": _digest_or_name(scene.identity["adversary"]),
        "language_model": jury.identity["language_model"],
        "sentence_encoder": jury.identity["sentence_encoder"],
        "sentences": sentences.digest(),
        "num_particles": num_particles,
        "seed": seed,
    }

    def measure() -> dict[str, Any]:
        assert jury.encoder is not None
        assert jury.language_model is not None
        words = free_words(model, sentences.hypotheses, sentences.labels, num_particles=num_particles, seed=seed)
        texts = {
            source: judge_free_text(
                sentences.hypotheses, words[source], language_model=jury.language_model, encoder=jury.encoder
            )
            for source in FREE_SOURCES
        }
        unmoved = texts[FREE_SOURCES[0]]
        return {
            **measure_decoder(model, sentences.reconstructed, num_particles=num_particles, seed=seed),
            "free": {source: summarise_free_text(some, unmoved=unmoved) for source, some in texts.items()},
            "texts": {source: [asdict(one) for one in some] for source, some in texts.items()},
        }

    return _read_or_measure(folder / MEASURES_NAME, known, measure)


def time_models(scenes: Mapping[str, Scene], folder: Path, sentences: Sentences) -> dict[str, dict[str, float]]:
    """Time the adversaries in turn; see ``time_decoders``.

    Args:
        scenes: By name.
        folder: Of the comparison; ``times.json`` in it is read if it is about the same adversaries.
        sentences: What is decoded.
    """
    config = next(iter(scenes.values())).config
    known = {
        "adversaries": {name: _digest_or_name(scene.identity["adversary"]) for name, scene in scenes.items()},
        "sentences": sentences.digest(),
        "attack": asdict(config.attack_config()),
        "moves": {name: asdict(scene.config.codes_config(_num_particles(scene))) for name, scene in scenes.items()},
    }

    def measure() -> dict[str, dict[str, float]]:
        return time_decoders(
            {name: scene.model for name, scene in scenes.items()},
            sentences.hypotheses,
            sentences.labels,
            configs={name: scene.config.codes_config(_num_particles(scene)) for name, scene in scenes.items()},
            num_candidates=config.num_candidates,
        )

    return _read_or_measure(folder / TIMES_NAME, known, measure)


def _num_particles(scene: Scene) -> int:
    return scene.config.num_particles or scene.model.config.num_particles


def _digest_or_name(identity: Mapping[str, str | None]) -> str | None:
    return identity["sha256"] or identity["name"]


def _read_or_measure(path: Path, known: Mapping[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of a file about the same things; else measure, write, and return what is read back."""
    # As JSON has it: tuples are lists there.
    plain = json.loads(json.dumps(known))
    if path.is_file():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["known"] == plain:
            return dict(stored["figures"])
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"known": plain, "figures": measure()}, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return dict(json.loads(text)["figures"])
