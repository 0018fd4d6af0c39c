"""Is a run what it says?  Its target is asked again, and every figure of its summary is computed again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from textsem.data.pairs import PairDigest
from textsem.data.stream import stream_nli
from textsem.evaluation.codes_of_lines import codes_of_lines
from textsem.evaluation.control_runs import read_controls
from textsem.evaluation.identity import identify_model, model_folder
from textsem.evaluation.judges import JUDGEMENTS_NAME, Judgement, read_judgements
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import headline
from textsem.evaluation.reporting import read_object
from textsem.evaluation.results import RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME, read_results
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.validity import ValidityThresholds, summarise_validity
from textsem.evaluation.verification_checks import TOLERANCE, Check, Difference, Verification, compare_figures
from textsem.evaluation.verification_judges import check_judgements
from textsem.evaluation.verification_lines import check_answers, check_lines, is_peer
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target
from textsem.targets.metering import MeteredTarget

__all__ = [
    "VerificationConfig",
    "verify_results",
]

PAIRS_AT_ONCE = 1024  # of the data, while they are held against the lines
NOISE_TOLERANCE = 1e-4  # relative: float32 spectral norms
FROM_CLOCK = {"seconds", "pairs_per_second", "num_processes", "this_process", "versions"}
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
        judges: NLI models that are asked again about ``judgements.jsonl``; none leaves their labels at what they are.
        sentence_encoder: Measures the similarities again; None leaves them at what they are.
        tolerance: Largest difference of a probability or a distance from the written one.
    """

    results: str
    target: str | None = None
    model: str | None = None
    data: str | None = None
    device: str | None = None
    judges: tuple[str, ...] = ()
    sentence_encoder: str | None = None
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        """Check the range; a list becomes a tuple."""
        object.__setattr__(self, "judges", tuple(self.judges))
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"expected tolerance in [0, 1), got {self.tolerance}")


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
    adversary = model_folder(model_name, BUNDLED_MODEL) if model_name else None
    model = TextAdversary.from_pretrained(adversary) if adversary is not None and adversary.is_dir() else None
    notes = [] if model else [f"distances and latent noise: no adversary in {model_name}"]

    checks = check_answers(results, target, tolerance=config.tolerance)
    checks += check_lines(results, settings, model, tolerance=config.tolerance)
    judgements, found = _judgements(path.parent, results, summary, model, config, notes)
    checks += found
    checks.append(_check_figures(results, judgements, summary, path.parent, notes))
    checks += _check_latent_noise(results, summary, model)
    folders = {"target": model_folder(target_name, BUNDLED_TARGET), "adversary": adversary}
    checks.append(_check_identity(results, summary, folders, path.parent, notes))
    if config.data is not None:
        checks.append(_check_data(results, summary, config.data))
    from_clock = sorted(FROM_CLOCK & set(summary))
    if from_clock:
        notes.append(f"of {SUMMARY_NAME}: {', '.join(from_clock)} (of the process that ran)")
    return Verification(tuple(checks), tuple(notes), config.tolerance)


def _judgements(
    folder: Path,
    results: Sequence[AttackResult],
    summary: Mapping[str, Any],
    model: TextAdversary | None,
    config: VerificationConfig,
    notes: list[str],
) -> tuple[list[Judgement] | None, list[Check]]:
    """Read ``judgements.jsonl`` and measure again what there is a model for."""
    if not (folder / JUDGEMENTS_NAME).is_file():
        lost = Difference(JUDGEMENTS_NAME, "file", "there, as the summary has validity", "nothing")
        return None, [Check("judgements", 1, (lost,))] if summary.get("validity") else []
    judgements = read_judgements(folder / JUDGEMENTS_NAME)
    found = check_judgements(
        results,
        judgements,
        (summary.get("validity") or {}).get("measured_by") or {},
        model,
        judges=config.judges,
        sentence_encoder=config.sentence_encoder,
        device=config.device or "cpu",
        tolerance=config.tolerance,
    )
    if not config.judges:
        notes.append("labels of the judges: none was named")
    if config.sentence_encoder is None:
        notes.append("similarities: no sentence encoder was named")
    return judgements, found


def _check_figures(
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement] | None,
    summary: Mapping[str, Any],
    folder: Path,
    notes: list[str],
) -> Check:
    """Compute every figure of the summary that follows from the lines."""
    name, validity = f"figures of {SUMMARY_NAME}", summary.get("validity")
    try:
        figures = summarise(results, confidence=summary.get("confidence", 0.95))
        if judgements is not None and validity is not None:
            thresholds = ValidityThresholds(**validity["thresholds"])
            figures["validity"] = summarise_validity(
                results, judgements, thresholds=thresholds, confidence=validity["confidence"]
            ) | ({"measured_by": validity["measured_by"]} if "measured_by" in validity else {})
    except ValueError as error:
        return Check(name, 1, (Difference(SUMMARY_NAME, "every figure", "computed", str(error)),))
    figures["rows_sent"] = sum(r.queries + (r.prediction is not None) for r in results)
    if "first_error" in summary:
        figures["first_error"] = next((r.message for r in results if r.status == "error"), None)
    if "headline" in summary and not is_peer(summary["settings"]):
        controls = [_place(control, folder) for control in summary["settings"].get("controls") or ()]
        if None in controls:
            notes.append(f"headline of {SUMMARY_NAME}: the runs of its controls are not where they were")
        else:
            own = {"validity": None, **figures}
            read = read_controls([str(c) for c in controls], results, judgements=judgements, validity=own["validity"])
            figures["headline"] = headline(own, read)
    known = {*figures, *FROM_CLOCK, *DESCRIPTIVE, "latent_noise", "validity"}
    notes.extend(f"{key} of {SUMMARY_NAME}: nothing known to compute it from" for key in summary if key not in known)
    return compare_figures(name, SUMMARY_NAME, summary, figures)


def _place(control: str, folder: Path) -> Path | None:
    """Find a control where it was, or beside the run."""
    places = (Path(control), folder.parent / Path(control).name)
    return next((place for place in places if (place / SUMMARY_NAME).is_file()), None)


def _check_latent_noise(
    results: Sequence[AttackResult], summary: Mapping[str, Any], model: TextAdversary | None
) -> list[Check]:
    """Move the codes of the lines' hypotheses once more."""
    settings, written = summary["settings"], summary.get("latent_noise")
    if written is None or model is None:
        return []
    measured = codes_of_lines(
        model,
        results,
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
        # Encoder and filters are named by their folders; a tagger has none.
        place = folders.get(role) or model_folder(str(identity.get("name")), BUNDLED_TARGET)
        if identity.get("sha256") is None or place is None or not place.is_dir():
            notes.append(f"digest of the {role}: no folder, or none was written")
        else:
            pairs.append(
                (SUMMARY_NAME, f"model.{role}.sha256", identity["sha256"], identify_model(str(place), place)["sha256"])
            )
    data = summary.get("data", {})
    if "sha256" in data:
        pairs.append((SUMMARY_NAME, "data.sha256", data["sha256"], _digest_of_lines(results)))
        pairs.append((SUMMARY_NAME, "data.rows", data["rows"], len(results)))
    if (folder / SETTINGS_NAME).is_file():
        stored = read_object(folder / SETTINGS_NAME)
        # What the run was to read, and what it found there: a single file has no splits.
        facts = {**summary["settings"], "identity": summary.get("model")}
        facts |= {name: data[name] for name in ("source", "split") if name in data}
        pairs += [(SETTINGS_NAME, name, stored[name], facts[name]) for name in stored if name in facts]
    wrong = [Difference(*pair) for pair in pairs if pair[2] != pair[3]]
    return Check("digests of models and lines, settings", len(pairs), tuple(wrong))


def _digest_of_lines(results: Sequence[AttackResult]) -> str:
    digest = PairDigest()
    for result in results:
        digest.add(result.premise, result.hypothesis, result.label)
    return digest.hexdigest()


def _check_data(results: Sequence[AttackResult], summary: Mapping[str, Any], source: str) -> Check:
    """Hold the lines against the data, pair by pair."""
    settings = summary["settings"]
    data = stream_nli(
        source,
        split=settings.get("split") or "test",
        limit=len(results),
        label_order=settings.get("data_label_order"),
    )
    differences, lines, num_pairs = [], iter(results), 0
    for chunk in data.chunks(PAIRS_AT_ONCE):
        num_pairs += len(chunk)
        for result, *values in zip(
            islice(lines, len(chunk)), chunk.premises, chunk.hypotheses, chunk.labels, strict=False
        ):
            differences += [
                Difference(f"line {result.index}", name, getattr(result, name), value)
                for name, value in zip(("premise", "hypothesis", "label"), values, strict=True)
                if getattr(result, name) != value
            ]
    if num_pairs != len(results):
        differences.insert(0, Difference(RESULTS_NAME, "lines", len(results), num_pairs))
    return Check("premise, hypothesis and label of the data", num_pairs, tuple(differences))


def _read_summary(folder: Path) -> dict[str, Any]:
    """Return the summary.

    Raises:
        ValueError: If there is none: the run was cut off, or its results were moved away from it.
    """
    path = folder / SUMMARY_NAME
    if not path.is_file():
        raise ValueError(f"expected {SUMMARY_NAME} beside the results in {folder}, got none")
    summary = read_object(path)
    if not isinstance(summary.get("settings"), dict) or "target" not in summary["settings"]:
        raise ValueError(f"expected settings with a target in {path}, got none")
    return summary


def _target(name: str, settings: Mapping[str, Any], *, device: str | None) -> MeteredTarget:
    loaded = load_target(
        name,
        device=device or settings.get("device") or "cpu",
        batch_size=settings.get("batch_size") or 64,
        label_order=settings.get("label_order"),
        dtype=settings.get("target_precision") or "float32",
    )
    return MeteredTarget(loaded, access=settings.get("access") or "score")
