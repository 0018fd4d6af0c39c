"""What the runs of several seeds say together, and the files it is written to."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from images_ext.swiss_roll.experiment import OURS, PGD, SwissRollConfig, SwissRollRun
from images_ext.swiss_roll.measurement import point_rows, success_at
from textsem.runs.intervals import wilson_interval
from textsem.runs.whole_files import to_json_bytes, write_json, write_whole

__all__ = ["in_words", "summarise_seeds", "write_run"]


def summarise_seeds(runs: Sequence[SwissRollRun], config: SwissRollConfig) -> dict[str, Any]:
    """Set our distance from the surface beside PGD's at the equal rate, and our rate beside the controls'.

    Returns:
        Plain JSON types; ``ratio`` is ours over PGD's, of the means and of the medians over all seeds' successes.
        ``beats_controls`` says whether ours succeeds more often than every control.

    Raises:
        ValueError: If there is no run.
    """
    if not runs:
        raise ValueError("expected at least one seed, got none")
    attacks = {name: _pooled(name, runs) for name in runs[0].attacks}
    ours, theirs = attacks[OURS], attacks[PGD]
    ratio = {key: ours[key] / theirs[key] for key in ("mean", "median") if ours.get(key) and theirs.get(key)}
    clean = [run.numbers["clean_reconstruction"] for run in runs]
    controls = [name for name in attacks if name != OURS and not name.startswith(PGD)]
    return {
        "beats_controls": all(ours["success_rate"] > attacks[name]["success_rate"] for name in controls),
        "attacks": attacks,
        "ratio": ratio,
        "clean_reconstruction": {key: sum(found[key] for found in clean) / len(clean) for key in clean[0]},
        "seeds": [run.numbers for run in runs],
        "units": "those of make_swiss_roll; epsilon and losses in units of 10 of them",
        "config": asdict(config),
    }


def _pooled(name: str, runs: Sequence[SwissRollRun]) -> dict[str, Any]:
    """Return one attack's rate, with its interval, and its distances over all seeds' points."""
    attacks = [run.attacks[name] for run in runs]
    distance = torch.cat([attack.surface_distance[attack.is_success] for attack in attacks])
    num_points = sum(len(attack.is_success) for attack in attacks)
    queries = torch.cat([attack.attack.queries for attack in attacks]).double()
    found: dict[str, Any] = {
        "num_points": num_points,
        "num_successes": len(distance),
        "success_rate": len(distance) / num_points,
        "interval": list(wilson_interval(len(distance), num_points)),
        "queries": {"mean": queries.mean().item(), "median": queries.quantile(0.5).item()},
        "success_at": success_at(attacks),
    }
    if len(distance):
        found |= {"mean": distance.mean().item(), "median": distance.quantile(0.5).item()}
    return found


def in_words(summary: dict[str, Any]) -> list[str]:
    """Return the lines that a run ends with: controls first, then the distances."""
    attacks = summary["attacks"]
    verdict = "more" if summary["beats_controls"] else "not more"
    lines = [f"E' succeeds {verdict} often than every control of as many candidates and queries"]
    for name, found in attacks.items():
        low, high = found["interval"]
        lines.append(
            f"{name:18} success {found['success_rate']:.4f} [{low:.4f}, {high:.4f}]"
            + "".join(f"  {key} distance {found[key]:.4f}" for key in ("mean", "median") if key in found)
        )
    clean = summary["clean_reconstruction"]
    lines.append(
        f"clean reconstruction: mean distance {clean['surface_distance_mean']:.4f}, "
        f"median {clean['surface_distance_median']:.4f}"
    )
    shown = (f"{key} {value:.3f}" for key, value in summary["ratio"].items())
    lines.append("ours / PGD at the equal rate: " + (", ".join(shown) or "no success"))
    return lines


def write_run(folder: Path, runs: Sequence[SwissRollRun], summary: dict[str, Any]) -> None:
    """Write ``summary.json`` and ``points.jsonl``, one line for each attack and point, from which it follows.

    Raises:
        OSError: If a file cannot be written.
        ValueError: If a number is not finite.
    """
    lines = [
        to_json_bytes(row)
        for run in runs
        for name, attack in run.attacks.items()
        for row in point_rows(name, run.seed, attack, run.codes[name], run.labels)
    ]
    write_whole(folder / "points.jsonl", b"".join(line + b"\n" for line in lines))
    write_json(folder / "summary.json", summary)
