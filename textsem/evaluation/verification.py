"""Is a run what it says?  Its target is asked again, and every figure of its summary is computed again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textsem.data.nli import load_nli, nli_from_table
from textsem.data.table import Table
from textsem.evaluation.codes import measure_codes
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import headline
from textsem.evaluation.results import RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME, read_results
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.verification_checks import Check, Difference, compare_figures
from textsem.evaluation.verification_lines import TOLERANCE, check_answers, check_lines, is_peer
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target
from textsem.targets.metering import MeteredTarget
from textsem.text.labels import LABEL_NAMES

__all__ = [
    "Verification",
    "VerificationConfig",
    "compare_figures",
    "folder_digest",
    "verification_table",
    "verify_results",
]

NOISE_TOLERANCE = 1e-4  # relative: float32 spectral norms
NUM_SHOWN = 20
FROM_CLOCK = {"seconds", "pairs_per_second", "this_process", "versions"}
DESCRIPTIVE = {"settings", "seed", "notice", "data", "model"}


@dataclass(frozen=True)
class VerificationConfig:
    """What to verify, and where things lie now; what is None is where the run's settings say.

    Args:
        results: ``results.jsonl``, or the folder that it lies in, with ``summary.json`` beside it.
        target: ``bundled``, or folder or hub id of the target.
        model: ``bundled``, or folder of the adversary, which distances and latent noise are computed with.
        data: The data, to be held against the lines; None leaves it at the digest of the lines.
        device: Where the target runs.
        tolerance: Largest difference of a probability or a distance from the written one.
    """

    results: str
    target: str | None = None
    model: str | None = None
    data: str | None = None
    device: str | None = None
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"expected tolerance in [0, 1), got {self.tolerance}")


@dataclass(frozen=True)
class Verification:
    """What was checked.

    Args:
        checks: In the order in which they were made.
        not_checked: What could not be, and why.
        tolerance: See ``VerificationConfig``.
    """

    checks: tuple[Check, ...]
    not_checked: tuple[str, ...]
    tolerance: float

    @property
    def differences(self) -> list[Difference]:
        """All that is not as it was written."""
        return [difference for check in self.checks for difference in check.differences]


def verify_results(config: VerificationConfig) -> Verification:
    """Ask the target again about every line and compute the summary again.

    Raises:
        ValueError: If a file is missing or broken, or target or data cannot be loaded.
    """
    path = Path(config.results)
    path = path / RESULTS_NAME if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"expected {RESULTS_NAME} or its folder, got {config.results!r}")
    summary = _read_summary(path.parent)
    settings = summary["settings"]
    results = read_results(path)
    target_name, model_name = config.target or settings["target"], config.model or settings.get("model")
    target = _target(target_name, settings, device=config.device)
    model_folder = _folder(model_name, BUNDLED_MODEL) if model_name else None
    is_there = model_folder is not None and model_folder.is_dir()
    model = TextAdversary.from_pretrained(model_folder) if model_folder is not None and is_there else None
    notes = [] if model else [f"distances and latent noise: no adversary in {model_name}"]

    checks = check_answers(results, target, tolerance=config.tolerance)
    checks += check_lines(results, settings, model, tolerance=config.tolerance)
    checks.append(_check_figures(results, summary, path.parent, notes))
    checks += _check_latent_noise(results, summary, model)
    folders = {"target": _folder(target_name, BUNDLED_TARGET), "adversary": model_folder}
    checks.append(_check_identity(results, summary, folders, path.parent, notes))
    if config.data is not None:
        checks.append(_check_data(results, summary, config.data))
    from_clock = sorted(FROM_CLOCK & set(summary))
    if from_clock:
        notes.append(f"of {SUMMARY_NAME}: {', '.join(from_clock)} (of the process that ran)")
    return Verification(tuple(checks), tuple(notes), config.tolerance)


def _check_figures(
    results: Sequence[AttackResult], summary: Mapping[str, Any], folder: Path, notes: list[str]
) -> Check:
    """Compute every figure of the summary that follows from the lines."""
    name = f"figures of {SUMMARY_NAME}"
    try:
        figures = summarise(results, confidence=summary.get("confidence", 0.95))
    except ValueError as error:
        return Check(name, 1, (Difference(SUMMARY_NAME, "every figure", "computed", str(error)),))
    figures["rows_sent"] = sum(r.queries + (r.prediction is not None) for r in results)
    if "first_error" in summary:
        figures["first_error"] = next((r.message for r in results if r.status == "error"), None)
    settings = summary["settings"]
    if "headline" in summary and not is_peer(settings):
        controls = _controls(settings.get("controls") or (), folder)
        if controls is None:
            notes.append(f"headline of {SUMMARY_NAME}: the runs of its controls are not where they were")
        else:
            figures["headline"] = headline(figures, controls or None)
    known = {*figures, *FROM_CLOCK, *DESCRIPTIVE, "latent_noise", "validity"}
    notes.extend(f"{key} of {SUMMARY_NAME}: nothing known to compute it from" for key in summary if key not in known)
    return compare_figures(name, SUMMARY_NAME, summary, figures)


def _controls(folders: Sequence[str], folder: Path) -> dict[str, dict[str, Any]] | None:
    found = {}
    for control in map(Path, folders):
        place = next((p for p in (control, folder.parent / control.name) if (p / SUMMARY_NAME).is_file()), None)
        if place is None:
            return None
        source = json.loads((place / SUMMARY_NAME).read_text(encoding="utf-8"))["settings"]["candidates_from"]
        found[str(source)] = summarise(read_results(place / RESULTS_NAME))
    return found


def _check_latent_noise(
    results: Sequence[AttackResult], summary: Mapping[str, Any], model: TextAdversary | None
) -> list[Check]:
    """Move the codes of the lines' hypotheses once more."""
    settings, written = summary["settings"], summary.get("latent_noise")
    if written is None or model is None:
        return []
    measured = measure_codes(
        model,
        [r.hypothesis for r in results],
        [LABEL_NAMES.index(r.label) for r in results],
        num_particles=settings["num_particles"] or model.config.num_particles,
        seed=settings["seed"],
    )
    found = {"latent_noise": None if measured is None else asdict(measured.noise)}
    return [compare_figures(f"latent noise of {SUMMARY_NAME}", SUMMARY_NAME, summary, found, tolerance=NOISE_TOLERANCE)]


def _check_identity(
    results: Sequence[AttackResult],
    summary: Mapping[str, Any],
    folders: Mapping[str, Path | None],
    folder: Path,
    notes: list[str],
) -> Check:
    """Compare digests of models and lines, and ``settings.json`` with the settings of the summary."""
    pairs: list[tuple[str, str, Any, Any]] = []
    for role, identity in summary.get("model", {}).items():
        place = folders.get(role)
        if identity.get("sha256") is None or place is None or not place.is_dir():
            notes.append(f"digest of the {role}: no folder, or none was written")
        else:
            pairs.append((SUMMARY_NAME, f"model.{role}.sha256", identity["sha256"], folder_digest(place)))
    data = summary.get("data", {})
    if "sha256" in data:
        pairs.append((SUMMARY_NAME, "data.sha256", data["sha256"], _digest_of_lines(results)))
        pairs.append((SUMMARY_NAME, "data.rows", data["rows"], len(results)))
    if (folder / SETTINGS_NAME).is_file():
        stored = json.loads((folder / SETTINGS_NAME).read_text(encoding="utf-8"))
        # What the run was to read, and what it found there: a single file has no splits.
        facts = {**summary["settings"], "identity": summary.get("model")}
        facts |= {name: data[name] for name in ("source", "split") if name in data}
        pairs += [(SETTINGS_NAME, name, stored[name], facts[name]) for name in stored if name in facts]
    wrong = [Difference(*pair) for pair in pairs if pair[2] != pair[3]]
    return Check("digests of models and lines, settings", len(pairs), tuple(wrong))


def _digest_of_lines(results: Sequence[AttackResult]) -> str:
    columns = {name: [getattr(r, name) for r in results] for name in ("premise", "hypothesis", "label")}
    return nli_from_table(Table("lines", None, columns, tuple(columns), {})).identity.sha256


def folder_digest(folder: Path) -> str:
    """Return the digest of a folder's weights and configs, as a run writes it into its summary."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*/*.safetensors")]):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _check_data(results: Sequence[AttackResult], summary: Mapping[str, Any], source: str) -> Check:
    """Hold the lines against the data, pair by pair."""
    settings = summary["settings"]
    data = load_nli(source, split=settings.get("split") or "test", limit=len(results))
    differences = []
    if len(data) != len(results):
        differences.append(Difference(RESULTS_NAME, "lines", len(results), len(data)))
    for result, premise, hypothesis, label in zip(results, data.premises, data.hypotheses, data.labels, strict=False):
        wanted = {"premise": premise, "hypothesis": hypothesis, "label": LABEL_NAMES[label]}
        differences += [
            Difference(f"line {result.index}", name, getattr(result, name), value)
            for name, value in wanted.items()
            if getattr(result, name) != value
        ]
    return Check("premise, hypothesis and label of the data", len(data), tuple(differences))


def verification_table(verification: Verification) -> str:
    """Return what was checked, in Markdown, then what was not, then the first differences."""
    rows = [
        (check.name, check.num_items, check.num_reproduced, _share(check.num_reproduced, check.num_items))
        for check in verification.checks
    ]
    total, reproduced = sum(row[1] for row in rows), sum(row[2] for row in rows)
    rows.append(("all", total, reproduced, _share(reproduced, total)))
    lines = ["| checked | items | reproduced | share |", "| --- | ---: | ---: | ---: |"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    reason = " (half a unit of the fifth decimal, and 1e-6)" if verification.tolerance == TOLERANCE else ""
    lines += [
        "",
        f"Probabilities and distances may differ by {verification.tolerance:.2g}{reason} from what is written.",
    ]
    lines += [f"Not checked: {note}." for note in verification.not_checked]
    wrong = verification.differences
    lines += [f"Different: {difference}" for difference in wrong[:NUM_SHOWN]]
    if len(wrong) > NUM_SHOWN:
        lines.append(f"... and {len(wrong) - NUM_SHOWN} more")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "-"


def _read_summary(folder: Path) -> dict[str, Any]:
    """Return the summary.

    Raises:
        ValueError: If there is none: the run was cut off, or its results were moved away from it.
    """
    path = folder / SUMMARY_NAME
    if not path.is_file():
        raise ValueError(f"expected {SUMMARY_NAME} beside the results in {folder}, got none")
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(summary.get("settings"), dict) or "target" not in summary["settings"]:
        raise ValueError(f"expected settings with a target in {path}, got none")
    return summary


def _target(name: str, settings: Mapping[str, Any], *, device: str | None) -> MeteredTarget:
    loaded = load_target(
        name,
        device=device or settings.get("device") or "cpu",
        batch_size=settings.get("batch_size") or 64,
        label_order=settings.get("label_order"),
    )
    return MeteredTarget(loaded, access=settings.get("access") or "score")


def _folder(name: str, bundled: Path) -> Path:
    return bundled if name == "bundled" else Path(name).expanduser()
