"""``summary.json``: the figures that follow from the lines, and the facts that do not."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textsem.runs.versions import package_versions
from textsem.runs.whole_files import write_json

__all__ = ["RunFacts", "write_summary"]


@dataclass(frozen=True)
class RunFacts:
    """What a summary tells beside the figures that follow from the results.

    Args:
        settings: Every option of the run.
        seed: The seed.
        data: Identity of the data: source, split, number of rows, digest.
        model: Identity of adversary and target: names and digests.
        rows_sent: Rows sent to the target, the checks of the unchanged pairs included.
        seconds: Duration of the attack, in this process.
        pairs_per_second: Pairs computed, in all processes, over ``seconds``.
        num_processes: Processes that attacked together, as this run ended.
        latent_noise: Reading 21: absolute and relative spectral noise; None where codes were not perturbed.
        notice: Anything a reader must know first, such as demo data.
    """

    settings: Mapping[str, Any]
    seed: int
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    rows_sent: int
    seconds: float
    pairs_per_second: float
    num_processes: int = 1
    latent_noise: Mapping[str, float] | None = None
    notice: str | None = None


def write_summary(path: str | Path, metrics: Mapping[str, Any], facts: RunFacts) -> dict[str, Any]:
    """Write ``summary.json`` and return what it holds: the metrics, the facts, and the versions.

    Args:
        path: The file.
        metrics: From ``summarise`` over the lines read back.
        facts: The rest.

    Raises:
        ValueError: If a metric and a fact share a name, or a number is not finite.
        OSError: If the file cannot be written.
    """
    rest = {**asdict(facts), "versions": package_versions()}
    shared = sorted(set(metrics) & set(rest))
    if shared:
        raise ValueError(f"expected metrics and facts of different names, got {shared} in both")
    summary = {**metrics, **rest}
    write_json(Path(path), summary)
    plain: dict[str, Any] = json.loads(json.dumps(summary))
    return plain
