"""What speaks for a learned manifold: how far codes are moved, whether they still look like codes, and where to."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textsem.data.nli import NliData, load_nli
from textsem.evaluation.code_moves import CodeMove, code_moves, measure_move
from textsem.evaluation.codes import measure_codes
from textsem.evaluation.gbsm_alone import GBSM_STARTS, CodedSentences, GbsmConfig, measure_gbsm
from textsem.evaluation.identity import identify_model, model_folder
from textsem.evaluation.judges import JUDGEMENTS_NAME, read_judgements
from textsem.evaluation.manifold_tables import write_manifold_evidence
from textsem.evaluation.metrics import success_by_distance
from textsem.evaluation.reporting import read_object
from textsem.evaluation.results import RESULTS_NAME, SUMMARY_NAME, read_results
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.smoothness_sources import code_batch
from textsem.evaluation.validity_conditions import has_measures, is_valid, was_attacked
from textsem.latent.gram_schmidt import orthonormal_rows
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.processes import Processes
from textsem.runs.versions import package_versions
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize

__all__ = ["ManifoldEvidenceConfig", "manifold_evidence", "success_curve"]

NUM_EPS = 25  # points of the curve of success against eps


@dataclass(frozen=True)
class ManifoldEvidenceConfig:
    """Every option of ``scripts/manifold_evidence.py``.

    Args:
        model: ``bundled``, or the folder of an adversary.
        data: A file, a folder of splits or a hub id; None for SNLI, or the demo pairs where SNLI is not to be had.
        split: Which split.
        num_hypotheses: Hypotheses from the start; those that the model does not take are left out.
        num_particles: M; None for the adversary's own number.
        seed: Draws particles, noise, halves and permutations.
        num_permutations: Of each MMD's test.
        train_data: Training data for GBSM with Eq. 6 off; None leaves that out.
        train_limit: Training pairs from the start; 0 for all.
        preset: Whose settings of Algorithm 2 GBSM takes.
        gbsm_steps: Batches of GBSM after which is measured.
        results: Folder of a finished run, for success against eps; None leaves that out.
        judge: Which judge of that run's ``judgements.jsonl`` counts; None for the one that scores, or the first.
        output: Folder for the files.
    """

    model: str = "bundled"
    data: str | None = None
    split: str = "test"
    num_hypotheses: int = 1000
    num_particles: int | None = None
    seed: int = 0
    num_permutations: int = 200
    train_data: str | None = None
    train_limit: int = 8000
    preset: str = "base"
    gbsm_steps: tuple[int, ...] = (10, 30, 100)
    results: str | None = None
    judge: str | None = None
    output: str = "runs/manifold_evidence"

    def __post_init__(self) -> None:
        """Check the counts; a list becomes a tuple."""
        object.__setattr__(self, "gbsm_steps", tuple(self.gbsm_steps))
        for name in ("num_hypotheses", "num_particles", "num_permutations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected {name} >= 1, got {value}")
        GbsmConfig(self.preset, self.gbsm_steps, self.seed)


def manifold_evidence(config: ManifoldEvidenceConfig) -> dict[str, Any]:
    """Measure; write ``manifold_evidence.json``, ``.md`` and ``.png``.

    Args:
        config: The options.

    Returns:
        What the JSON file holds.

    Raises:
        ValueError: If an option, the data, the adversary or the run does not fit.
    """
    Processes.current().expect_alone("the evidence of a manifold")
    start = time.perf_counter()
    data = load_nli(config.data, split=config.split, limit=config.num_hypotheses)
    curve = None if config.results is None else success_curve(Path(config.results), judge_name=config.judge)
    model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
    sentences = _coded(model, data, config)
    batch = sentences.batch
    measured = measure_codes(model, data.hypotheses, data.labels, num_particles=len(batch.clean), seed=config.seed)
    moves = code_moves(batch, is_spherical=model.config.particle.is_spherical)
    z = moves["adversarial"].before
    moves["unmoved"] = CodeMove(z, z)
    figures = {
        name: measure_move(move, sentences.basis, seed=config.seed, num_permutations=config.num_permutations)
        for name, move in moves.items()
    }
    _, K, d = batch.neighbours.shape
    metrics = {
        "settings": asdict(config),
        "data": asdict(data.identity),
        "notice": data.notice,
        "model": identify_model(config.model, BUNDLED_MODEL),
        "sentences": len(z),
        "particles": len(batch.clean),
        "latent_dim": d,
        "neighbours": K,
        "latent_noise": None if measured is None else asdict(measured.noise),
        "moves": {name: found.to_dict() for name, found in figures.items()},
        "gbsm_alone": _gbsm(sentences, config),
        "success_by_eps": curve,
        "versions": package_versions(),
        "seconds": time.perf_counter() - start,
    }
    write_manifold_evidence(Path(config.output), metrics)
    return metrics


def _coded(model: TextAdversary, data: NliData, config: ManifoldEvidenceConfig) -> CodedSentences:
    """Encode the hypotheses that the model takes."""
    longest = model.config.max_length
    rows = [(text, label) for text, label in zip(data.hypotheses, data.labels, strict=True)]
    rows = [row for row in rows if 0 < len(tokenize(row[0]).words) <= longest]
    if not rows:
        raise ValueError(f"expected a hypothesis of 1 to {longest} words, got none")
    hypotheses, labels = [text for text, _ in rows], [label for _, label in rows]
    num_particles = config.num_particles or model.config.num_particles
    batch = code_batch(
        model, hypotheses, num_particles=num_particles, seed=config.seed, noise_weight=1.0, labels=labels
    )
    ids = encode_sentences(
        [tokenize(text).words for text in hypotheses], vocabulary=model.vocabulary, max_length=longest
    )
    with torch.no_grad():
        features = model.features(ids)
    return CodedSentences(batch, orthonormal_rows(batch.neighbours), features, torch.tensor(labels), config.seed)


def _gbsm(sentences: CodedSentences, config: ManifoldEvidenceConfig) -> dict[str, list[dict[str, Any]]] | None:
    """Run GBSM from both starts, each on an adversary of its own."""
    if config.train_data is None:
        return None
    pairs = load_nli(config.train_data, split="train", limit=config.train_limit)
    gbsm = GbsmConfig(config.preset, config.gbsm_steps, config.seed)
    found: dict[str, list[dict[str, Any]]] = {}
    for start in GBSM_STARTS:
        model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
        points = measure_gbsm(model, start, pairs, sentences, config=gbsm, num_permutations=config.num_permutations)
        found[start] = [
            {"step": point.step, "share_left": point.share_left, **point.figures.to_dict()} for point in points
        ]
    return found


def success_curve(folder: Path, *, judge_name: str | None = None) -> dict[str, Any]:
    """Return the share of attacked pairs that fell at a distance below eps, and of valid successes if judged.

    Args:
        folder: Of a finished run; ``judgements.jsonl`` is read if it is there.
        judge_name: See ``ManifoldEvidenceConfig``.

    Raises:
        ValueError: If the results or the judge are missing.
    """
    if not (folder / RESULTS_NAME).is_file():
        raise ValueError(f"expected a finished run with {RESULTS_NAME} in {folder}, got none")
    results = read_results(folder / RESULTS_NAME)
    distances = [r.distance for r in results if r.status == "success" and r.distance is not None]
    # Beyond the largest distance the share is that of all successes.
    last = 0.5 * float(np.ceil(2 * max(distances, default=1.0) + 1e-9))
    grid = [round(float(eps), 4) for eps in np.linspace(0, last, NUM_EPS)]
    curve: dict[str, Any] = {
        "attacked": sum(map(was_attacked, results)),
        "eps": grid,
        "rate": [rate for _, rate in success_by_distance(results, grid)],
        "valid_rate": None,
        "judge": None,
    }
    valid, judge = _valid_only(folder, results, judge_name)
    if valid is not None:
        curve |= {"valid_rate": [rate for _, rate in success_by_distance(valid, grid)], "judge": judge}
    return curve


def _valid_only(
    folder: Path, results: Sequence[AttackResult], judge_name: str | None
) -> tuple[list[AttackResult] | None, str | None]:
    """Return the lines with every success that is not valid turned into a failure; None without judgements."""
    path = folder / JUDGEMENTS_NAME
    if not path.is_file():
        return None, None
    judgements = {judgement.index: judgement for judgement in read_judgements(path)}
    names: Mapping[str, str] = next(iter(judgements.values())).before if judgements else {}
    judge = judge_name or _scoring_judge(folder) or min(names, default="")
    if judge not in names:
        raise ValueError(f"expected a judge among {sorted(names)}, got {judge!r}")
    flips = [r for r in results if r.status == "success"]
    if not all(r.index in judgements and has_measures(judgements[r.index]) for r in flips):
        return None, None
    kept = {r.index for r in flips if is_valid(r, judgements[r.index], judge)}
    return [r if r.status != "success" or r.index in kept else replace(r, status="failed") for r in results], judge


def _scoring_judge(folder: Path) -> str | None:
    """Return the judge that the run's summary names, or None."""
    judge: str | None = (read_object(folder / SUMMARY_NAME).get("validity") or {}).get("scoring_judge")
    return judge
