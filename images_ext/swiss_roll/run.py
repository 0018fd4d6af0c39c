"""The whole experiment: every seed, the files, and the figure."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from images_ext.swiss_roll.experiment import SwissRollConfig, run_seed
from images_ext.swiss_roll.figure import write_figure
from images_ext.swiss_roll.report import summarise_seeds, write_run
from textsem.runs.timing import use_threads
from textsem.runs.whole_files import check_writable

__all__ = ["run_swiss_roll"]

_logger = logging.getLogger(__name__)


def run_swiss_roll(output: Path, *, seeds: Sequence[int], config: SwissRollConfig, num_threads: int) -> dict[str, Any]:
    """Run all seeds, write ``points.jsonl``, ``summary.json`` and ``figure.png`` of the first seed; return the summary.

    Args:
        output: A folder; made if missing.
        seeds: At least one, each once.
        config: Settings of every seed.
        num_threads: Of torch; results follow the seed exactly at the same number.

    Raises:
        OSError: If the folder cannot be written to; known before anything is trained.
        ValueError: If a seed or a number of threads is impossible.
    """
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(f"expected seeds of at least 0, each once, got {list(seeds)}")
    check_writable(output)
    runs = []
    with use_threads(num_threads):
        for seed in seeds:
            runs.append(run_seed(seed, config))
            _logger.info("seed %d: %.0f s", seed, runs[-1].numbers["seconds"])
    summary = summarise_seeds(runs, config)
    write_run(output, runs, summary)
    write_figure(output / "figure.png", runs[0])
    return summary
