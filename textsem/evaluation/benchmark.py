"""The timings of the project in one run: an inner update, the sampled gradient, the attack, the import."""

import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from textsem.data.nli import load_nli
from textsem.evaluation.benchmark_attack import time_candidates, time_target
from textsem.evaluation.benchmark_search import time_search
from textsem.evaluation.benchmark_tables import benchmark_tables
from textsem.evaluation.benchmark_update import gradient_bias, time_updates
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary
from textsem.runs.timing import import_seconds, use_threads
from textsem.targets.loading import load_target
from textsem.training.adversary_config import preset

__all__ = ["FIGURES", "FILE_NAMES", "BenchmarkConfig", "run_benchmark"]

FIGURES = ("update", "bias", "candidates", "target", "search", "import")
FILE_NAMES = ("benchmark.json", "benchmark.md")


@dataclass(frozen=True)
class BenchmarkConfig:
    """Every option of ``scripts/benchmark.py``.

    Args:
        figures: Which of ``FIGURES`` to measure.
        model: ``bundled``, or the folder of an adversary, for all but ``update`` and ``import``.
        target: ``bundled``, or any target, for ``target``.
        data: Pairs to attack; None for SNLI, or the demo pairs where SNLI is not to be had.
        split: Which split.
        limit: Pairs attacked for ``target``; for ``search``, as many again to warm up.
        budgets: Values of ``max_queries`` for ``search``.
        attack_options: Other options of ``AttackSnliConfig`` for ``search``.
        presets: Sizes for ``update``.
        particles: Numbers of particles M for ``update``.
        batch_size: Sentences in a batch, for ``update`` and ``bias``.
        max_words: Vocabulary for ``update``, special symbols apart.
        num_draws: Draws of negatives for ``bias``.
        num_pairs: Pairs in a chunk, for ``candidates``.
        num_candidates: Candidates a pair.
        threads: Threads of torch; ``candidates`` tries one thread too.
        repeats: Repeats that medians are taken over.
        import_repeats: The same for ``import``.
        seed: Of everything drawn.
        output: Folder for both files.

    Raises:
        ValueError: If a figure is unknown or a number not positive.
    """

    figures: tuple[str, ...] = FIGURES
    model: str = "bundled"
    target: str = "bundled"
    data: str | None = None
    split: str = "test"
    limit: int = 64
    budgets: tuple[int, ...] = (5, 20)
    attack_options: Mapping[str, Any] = field(default_factory=dict)
    presets: tuple[str, ...] = ("paper", "base")
    particles: tuple[int, ...] = (1, 2, 5, 10, 15)
    batch_size: int = 64
    max_words: int = 11_000
    num_draws: int = 50
    num_pairs: int = 64
    num_candidates: int = 200
    threads: int = 2
    repeats: int = 5
    import_repeats: int = 10
    seed: int = 0
    output: str = "runs/benchmark"

    def __post_init__(self) -> None:
        """Check the fields; lists, as JSON and the command line give them, become tuples."""
        for name in ("figures", "presets", "particles", "budgets"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = sorted(set(self.figures) - set(FIGURES))
        if unknown:
            raise ValueError(f"expected figures among {', '.join(FIGURES)}, got {', '.join(unknown)}")
        numbers = ["limit", "batch_size", "max_words", "num_draws", "num_pairs", "num_candidates", "threads"]
        for name in (*numbers, "repeats", "import_repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        for name in ("particles", "budgets"):
            if not all(number >= 1 for number in getattr(self, name)):
                raise ValueError(f"expected {name} >= 1, got {list(getattr(self, name))}")
        for name in self.presets:
            preset(name)


def run_benchmark(config: BenchmarkConfig) -> dict[str, Any]:
    """Measure the figures, write both files, and return what ``benchmark.json`` holds.

    Raises:
        ValueError: If model, target or data do not fit.
    """
    began = time.perf_counter()
    measured: dict[str, Any] = {
        "settings": {**asdict(config), "output": None, "attack_options": sorted(config.attack_options)},
        "machine": _machine(),
        "load": _load(),
    }
    with use_threads(config.threads):
        measured |= _measure(config)
    measured |= {"load_after": _load(), "seconds": time.perf_counter() - began}
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(measured, indent=2, ensure_ascii=False, allow_nan=False)
    for name, content in zip(FILE_NAMES, (text, benchmark_tables(measured)), strict=True):
        (folder / name).write_text(content + "\n", encoding="utf-8")
    return measured


def _measure(config: BenchmarkConfig) -> dict[str, Any]:
    wanted, measured = set(config.figures), dict[str, Any]()
    if "import" in wanted:
        measured["import"] = import_seconds(repeats=config.import_repeats)
    if wanted & {"bias", "candidates", "target"}:
        folder = BUNDLED_MODEL if config.model == "bundled" else Path(config.model).expanduser()
        model = TextAdversary.from_pretrained(folder)
        # Twice as many, since not every hypothesis is short enough.
        data = load_nli(config.data, split=config.split, limit=2 * max(config.num_pairs, config.batch_size))
        measured["data"] = {"source": Path(data.identity.source).name, "split": data.identity.split}
    if "bias" in wanted:
        training = preset("base").training
        measured["bias"] = gradient_bias(
            model,
            data.hypotheses,
            batch_size=config.batch_size,
            num_negatives=training.num_negatives or config.max_words,
            num_draws=config.num_draws,
            seed=config.seed,
        )
    if "candidates" in wanted:
        measured["candidates"] = time_candidates(
            model,
            data,
            num_pairs=config.num_pairs,
            num_candidates=config.num_candidates,
            threads=sorted({1, config.threads}),
            repeats=config.repeats,
            seed=config.seed,
        )
    if "target" in wanted:
        measured["target"] = time_target(
            model,
            load_target(config.target),
            load_nli(config.data, split=config.split, limit=config.limit),
            num_candidates=config.num_candidates,
            threads=config.threads,
            repeats=config.repeats,
            seed=config.seed,
        )
    if "search" in wanted:
        shared = {name: getattr(config, name) for name in ("model", "target", "data", "split", "limit", "seed")}
        options = AttackSnliConfig(**{**shared, **config.attack_options})
        measured["search"] = time_search(options, budgets=config.budgets)
    if "update" in wanted:
        measured["update"] = time_updates(
            config.presets,
            config.particles,
            batch_size=config.batch_size,
            max_words=config.max_words,
            repeats=config.repeats,
            seed=config.seed,
        )
    return measured


def _machine() -> dict[str, Any]:
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {**versions, "processor": platform.machine(), "cores": os.cpu_count()}


def _load() -> float | None:
    """Return how many processes ran or waited in the last minute: a busy machine shows in every wall time."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
