"""What an attack costs beside its target: milliseconds a candidate, step by step, and rows a second."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate, pair_seed
from textsem.attacks.chunk import AttackConfig
from textsem.attacks.manifold import ManifoldConfig, ManifoldSource
from textsem.attacks.proposals import candidates_from_ids
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.attacks.selection import CandidateLimits, select_candidates
from textsem.constraints.fluency import FluencyConstraint
from textsem.data.nli import NliData
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.protocols import Constraint, Target
from textsem.runs.timing import TICK, time_calls, use_threads
from textsem.text.batches import encode_sentences
from textsem.text.labels import LABEL_NAMES
from textsem.text.tokenization import tokenize

__all__ = ["STEPS", "NoSink", "RecordingTarget", "time_candidates", "time_target"]

STEPS = ("codes", "decode", "candidates", "filters")
MAX_EDITS = 3  # as the main job has it


def time_candidates(
    model: TextAdversary,
    data: NliData,
    *,
    num_pairs: int,
    num_candidates: int,
    threads: Sequence[int],
    repeats: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Time all that an attack does outside the target on one chunk: propose, and select with the fluency constraint.

    The steps are timed one by one over the chunk: ``codes`` (tokens, encoder, particles, moves), ``decode`` (decoder,
    choice of words), ``candidates`` (surfaces, edits, distances), ``filters`` (limits, repetitions, fluency).

    Args:
        model: Its trigram judges fluency where it has one.
        data: Its first pairs that the model takes are the chunk.
        num_pairs: Pairs of the chunk, at most.
        num_candidates: Drawn for each pair.
        threads: Numbers of threads to try.
        repeats: Chunks timed.
        seed: Of particles and pairs.

    Returns:
        One row for each number of threads: milliseconds a drawn candidate, and each step's share of processor time.

    Raises:
        ValueError: If the model takes none of the hypotheses.
    """
    source = ManifoldSource(model, ManifoldConfig(num_particles=model.config.num_particles, seed=seed))
    pairs = [i for i, text in enumerate(data.hypotheses) if i not in data.problems and source.supports(text) is None]
    pairs = pairs[:num_pairs]
    if not pairs:
        raise ValueError(f"expected a hypothesis of at most {model.config.max_length} words, got none")
    hypotheses, labels = [data.hypotheses[i] for i in pairs], [data.labels[i] for i in pairs]
    seeds = [pair_seed(seed, data.premises[i], data.hypotheses[i], LABEL_NAMES[data.labels[i]]) for i in pairs]
    calls = _step_calls(source, hypotheses, labels, seeds, num_candidates)
    rows = []
    for count in threads:
        with use_threads(count):
            timed = time_calls(calls, repeats=repeats)
        parts = sum(timed[step].cpu for step in STEPS)
        drawn = len(pairs) * num_candidates
        row: dict[str, Any] = {"threads": count, "pairs": len(pairs), "candidates": num_candidates}
        whole = timed["whole"].per(drawn)
        row |= {"wall_ms": 1e3 * whole.wall, "cpu_ms": 1e3 * whole.cpu}
        rows.append(row | {"shares": {step: timed[step].cpu / parts if parts else None for step in STEPS}})
    return rows


def _constraints(model: TextAdversary) -> list[Constraint]:
    return [] if model.language_model is None else [FluencyConstraint(model.language_model)]


def _step_calls(
    source: ManifoldSource, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
) -> dict[str, Callable[[], object]]:
    """Return the whole and its steps as calls; each step starts from what the one before left."""
    model = source.model
    constraints = _constraints(model)
    limits = CandidateLimits(max_edits=MAX_EDITS)

    @torch.no_grad()
    def codes() -> list[tuple[Tensor, Tensor]]:
        found = []
        for text, label, seed in zip(hypotheses, labels, seeds, strict=True):
            words = tokenize(text).words
            ids = encode_sentences([words], vocabulary=model.vocabulary, max_length=model.config.max_length)
            found.append((ids[0], source.moved_codes(ids, torch.tensor([label]), [seed], num_candidates)[0]))
        return found

    moved = codes()

    @torch.no_grad()
    def decode() -> list[Tensor]:
        return [source.decode(code, ids) for ids, code in moved]

    decoded = decode()
    table = model.embedding_table().detach()

    def candidates() -> list[list[Candidate]]:
        return [
            candidates_from_ids(tokenize(text), ids, rows, vocabulary=model.vocabulary, table=table)
            for text, (ids, _), rows in zip(hypotheses, moved, decoded, strict=True)
        ]

    proposals = candidates()

    def select(proposed: Sequence[Sequence[Candidate]]) -> object:
        # Fluency reads no premise: any text will do.
        return select_candidates(hypotheses, hypotheses, labels, proposed, limits=limits, constraints=constraints)

    return {
        "whole": lambda: select(source.propose(hypotheses, labels, seeds, num_candidates)),
        "codes": codes,
        "decode": decode,
        "candidates": candidates,
        "filters": lambda: select(proposals),
    }


class RecordingTarget:
    """Passes rows on, remembers them, and takes the time that their answers took."""

    def __init__(self, target: Target) -> None:
        self.label_names = target.label_names
        self.calls: list[tuple[Sequence[str], Sequence[str]]] = []
        self.wall = self.cpu = 0.0
        self._target = target

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return the target's probabilities."""
        self.calls.append((premises, hypotheses))
        wall, cpu = time.perf_counter(), time.process_time()
        answer = self._target.predict(premises, hypotheses)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return answer


class NoSink:
    """Keeps no line."""

    def write(self, results: Sequence[AttackResult]) -> None:
        """Drop the lines."""


def time_target(
    model: TextAdversary, target: Target, data: NliData, *, num_candidates: int, threads: int, repeats: int, seed: int
) -> dict[str, float]:
    """Attack the data, and ask the target once more for the very rows alone, in turn.

    Args:
        model: Proposes.
        target: The classifier, called directly: no answer is remembered.
        data: The pairs.
        num_candidates: Drawn for each pair.
        threads: Threads of torch.
        repeats: Attacks timed; medians are reported.
        seed: Of the run.

    Returns:
        Rows sent; rows a second of the target asked for all of them at once, of its own calls within the attack, and
        of the attack as a whole, by wall and processor time; and the attack's as a share of the target's alone.
    """
    recorded = RecordingTarget(target)
    source = ManifoldSource(model, ManifoldConfig(num_particles=model.config.num_particles, seed=seed))
    constraints = _constraints(model)
    config = replace(AttackConfig(seed=seed), num_candidates=num_candidates, max_edits=MAX_EDITS)

    answers: dict[str, list[float]] = {"wall": [], "cpu": []}

    def attack() -> None:
        recorded.calls, recorded.wall, recorded.cpu = [], 0.0, 0.0
        run_attack(data, recorded, CandidateAttack(source, config, constraints=constraints), NoSink())
        answers["wall"].append(recorded.wall)
        answers["cpu"].append(recorded.cpu)

    def alone() -> None:
        premises = [text for some, _ in recorded.calls for text in some]
        target.predict(premises, [text for _, some in recorded.calls for text in some])

    with use_threads(threads):
        timed = time_calls({"attack": attack, "alone": alone}, repeats=repeats)
    rows = sum(len(premises) for premises, _ in recorded.calls)
    figures: dict[str, float] = {"pairs": len(data.labels), "rows": rows}
    for clock in ("wall", "cpu"):
        seconds = {name: max(getattr(timing, clock), TICK) for name, timing in timed.items()}
        figures[f"alone_rows_per_{clock}_second"] = rows / seconds["alone"]
        figures[f"calls_rows_per_{clock}_second"] = rows / max(median(answers[clock][1:]), TICK)
        figures[f"attack_rows_per_{clock}_second"] = rows / seconds["attack"]
        figures[f"attack_to_alone_{clock}"] = seconds["alone"] / seconds["attack"]
    return figures
