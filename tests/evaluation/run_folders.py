"""Folders of runs, finished or cut off, as an attack on ``judged.ten_lines`` would leave them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.evaluation.judged import ten_lines
from textsem.evaluation.headline import headline
from textsem.evaluation.judges import JUDGEMENTS_NAME, write_judgements
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import write_report
from textsem.evaluation.results import ResultsWriter, read_results
from textsem.evaluation.run_facts import RunFacts, write_summary
from textsem.evaluation.validity import summarise_validity
from textsem.outputs import AttackResult

RESULTS, JUDGEMENTS = ten_lines()
SETTINGS = {"target": "t", "candidates_from": "clean", "seed": 5, "eps": None, "controls": []}
MODELS = {"adversary": {"name": "a", "sha256": "1"}, "target": {"name": "t", "sha256": "2"}}
MEASURED_BY = {"judges": {"first": {"name": "first", "sha256": None}}, "sentence_encoder": None, "language_model": None}


def write_lines(folder: Path, results: Sequence[AttackResult] = RESULTS) -> Path:
    """Write what a run has left that was cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    with ResultsWriter(folder / "results.jsonl") as writer:
        writer.write(results)
    stored = {**SETTINGS, "identity": MODELS, "chunk_size": 64, "moves": {"num_particles": 5}, "source": "pairs.jsonl"}
    (folder / "settings.json").write_text(json.dumps(stored))
    return folder


def finish(folder: Path, *, is_judged: bool = False, has_page: bool = False, **settings: Any) -> dict[str, Any]:
    """Write the summary, and the page if need be, as the attack does."""
    results = list(read_results(folder / "results.jsonl"))
    metrics: dict[str, Any] = {**summarise(results), "validity": None}
    if is_judged:
        write_judgements(folder / JUDGEMENTS_NAME, JUDGEMENTS)
        metrics["validity"] = {**summarise_validity(results, JUDGEMENTS), "measured_by": MEASURED_BY}
    metrics |= {"headline": headline(metrics), "first_error": None, "this_process": {"candidates": {"kept": 3}}}
    rows_sent = sum(result.queries for result in results) + len(results)
    facts = RunFacts({**SETTINGS, **settings}, 5, {"rows": len(results)}, MODELS, rows_sent, 1.5, 7.0)
    summary = write_summary(folder / "summary.json", metrics, facts)
    if has_page:  # which takes a second to draw
        write_report(folder / "report.html", summary, results, judgements=JUDGEMENTS if is_judged else None)
    return summary
