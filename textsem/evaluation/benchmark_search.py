"""How much of its time a whole attack spends on its target: rows a second beside the target's own, pairs a second."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textsem.attacks.controls import make_source
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.data.nli import NliData, load_nli
from textsem.evaluation.benchmark_attack import NoSink, RecordingTarget
from textsem.evaluation.filters import load_filters
from textsem.evaluation.identity import model_folder
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary
from textsem.targets.loading import load_target

__all__ = ["time_search"]


def time_search(config: AttackSnliConfig, *, budgets: Sequence[int]) -> list[dict[str, Any]]:
    """Attack pairs that were never seen before, start-up excluded, and ask the target for the very rows alone.

    The filters remember their answers, so that an attack can be timed once only: ``config.limit`` pairs warm up, as
    many others are timed.

    Args:
        config: Options of the attack.
        budgets: Values of ``max_queries``.

    Returns:
        For each budget pairs, rows sent, pairs a second, and rows a second by wall and processor time: of the target
        asked for all rows at once, of the attack, and the attack's as a share of the target's.
    """
    target = load_target(config.target, batch_size=config.batch_size, label_order=config.label_order)
    model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
    source = make_source(config.candidates_from, model, config.codes_config(model.config.num_particles))
    data = load_nli(config.data, split=config.split, limit=2 * config.limit)
    measured = []
    for budget in budgets:
        filters = load_filters(config.filter_config(), model)
        settings = replace(config.attack_config(), max_queries=budget)
        attack = CandidateAttack(source, settings, constraints=filters.steps, ranker=filters.ranker)
        run_attack(_part(data, 0, config.limit), target, attack, NoSink())
        recorded, timed = RecordingTarget(target), _part(data, config.limit, 2 * config.limit)
        wall, cpu = time.perf_counter(), time.process_time()
        run_attack(timed, recorded, attack, NoSink())
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        premises = [text for some, _ in recorded.calls for text in some]
        hypotheses = [text for _, some in recorded.calls for text in some]
        wall, cpu = time.perf_counter(), time.process_time()
        target.predict(premises, hypotheses)
        alone = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        row: dict[str, Any] = {"max_queries": budget, "pairs": len(timed), "rows": len(premises)}
        row["pairs_per_second"] = len(timed) / spent["wall"]
        for clock in ("wall", "cpu"):
            row[f"alone_rows_per_{clock}_second"] = len(premises) / alone[clock]
            row[f"attack_rows_per_{clock}_second"] = len(premises) / spent[clock]
            row[f"attack_to_alone_{clock}"] = alone[clock] / spent[clock]
        measured.append(row)
    return measured


def _part(data: NliData, start: int, end: int) -> NliData:
    """Return some of the sound pairs."""
    rows = [i for i in range(start, min(end, len(data))) if i not in data.problems]
    return replace(
        data,
        premises=tuple(data.premises[i] for i in rows),
        hypotheses=tuple(data.hypotheses[i] for i in rows),
        labels=tuple(data.labels[i] for i in rows),
        problems={},
    )
