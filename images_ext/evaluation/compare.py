"""Attacks on images compared: ours, its controls, PGD and other searches; one target, one judge, one set of images."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from images_ext.evaluation.assembly import identify_folder, model_folders
from images_ext.evaluation.compare_tables import COMPARE_NAMES, NEAR_BUDGETS, ball_of, comparison_tables, run_row
from images_ext.evaluation.finished_run import read_object, read_run
from images_ext.evaluation.headline import headline
from images_ext.evaluation.judged_folders import JudgedRun, judge_folder, judged_run
from images_ext.evaluation.report import notices, write_report
from images_ext.evaluation.results import SUMMARY_NAME
from images_ext.evaluation.rivalries import Rivalry, rivalries
from images_ext.evaluation.run import attack_images
from images_ext.evaluation.run_config import NOT_BINDING, AttackImagesConfig
from textsem.runs.versions import package_versions
from textsem.runs.whole_files import check_writable, write_json, write_whole

__all__ = ["COMPARED", "CompareImagesConfig", "compare_attacks", "compare_runs"]

OURS = "ours"
NOT_THERE = object()  # equals no option
COMPARED: dict[str, dict[str, Any]] = {
    OURS: {"attack": "ours", "source": "adversarial"},
    "clean": {"attack": "ours", "source": "clean"},
    "isotropic": {"attack": "ours", "source": "isotropic"},
    "basis": {"attack": "ours", "source": "basis"},
    "cone": {"attack": "ours", "source": "cone"},
    "reconstruction": {"attack": "ours", "source": "reconstruction"},
    "pgd": {"attack": "pgd", "access": "gradient"},
    "stochastic": {"attack": "stochastic"},
    "shrinking": {"attack": "shrinking"},
}
"""Name of an attack to the options in which it differs from the shared ones."""


@dataclass(frozen=True)
class CompareImagesConfig:
    """Every option of ``scripts/compare_image_attacks.py``.

    Args:
        judge: Folder of the independent classifier, or ``bundled``.
        attacks: Which to run, of ``COMPARED``; each has a folder of its name in ``output``.
        folders: Finished runs on the same images and target, which stand in the table too.
        output: Folder of the table and of the runs.
        shared: Options of ``AttackImagesConfig`` that all attacks have alike.
    """

    judge: str
    attacks: tuple[str, ...] = tuple(COMPARED)
    folders: tuple[str, ...] = ()
    output: str = "runs/compare_images"
    shared: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names and the options of every attack; lists become tuples."""
        object.__setattr__(self, "attacks", tuple(self.attacks))
        object.__setattr__(self, "folders", tuple(self.folders))
        unknown = sorted(set(self.attacks) - set(COMPARED))
        if unknown:
            raise ValueError(f"expected attacks among {', '.join(COMPARED)}, got {', '.join(unknown)}")
        if not self.attacks and not self.folders:
            raise ValueError("expected attacks or folders, got none of both")
        own = sorted({"attack", "source", "judge", "controls", "output", "resume"} & set(self.shared))
        if own:
            raise ValueError(f"expected shared options without {', '.join(own)}, which the comparison sets itself")
        for name in self.attacks:
            self.attack_config(name)

    def attack_config(self, name: str) -> AttackImagesConfig:
        """Return the options of one attack; a run that is there is continued, a finished one is taken as it is.

        Raises:
            ValueError: If an option is unknown or out of range.
        """
        try:
            base = AttackImagesConfig(
                **self.shared, output=str(Path(self.output) / name), judge=self.judge, resume=True
            )
        except TypeError as error:
            raise ValueError(f"expected options of the attack on images, got others: {error}") from None
        return replace(base, **COMPARED[name])


def compare_attacks(
    config: CompareImagesConfig, *, progress: Callable[[str, int, int], None] | None = None
) -> dict[str, Any]:
    """Run or continue the attacks, judge them, and write ``compare.json``, ``compare.md`` and the page of ours.

    Args:
        config: The options.
        progress: Told the attack, images done and images in all after every chunk.

    Returns:
        What ``compare.json`` holds.

    Raises:
        ValueError: If a part does not fit, or a run that is there was made with other options.
        OSError: If a file cannot be written.
    """
    check_writable(config.output)
    folders = []
    for name in config.attacks:
        attack = config.attack_config(name)

        def tell(done: int, total: int, successes: int, name: str = name) -> None:
            if progress is not None:
                progress(name, done, total)

        if not _is_finished(attack):
            attack_images(attack, progress=tell)
        folders.append(attack.output)
    comparison = compare_runs([*folders, *config.folders], config.judge)
    write_json(Path(config.output) / COMPARE_NAMES[0], comparison)
    write_whole(Path(config.output) / COMPARE_NAMES[1], (comparison_tables(comparison) + "\n").encode())
    return comparison


def compare_runs(folders: Sequence[str | Path], judge: str | Path) -> dict[str, Any]:
    """Judge finished runs, hold the first one of E' against all others, and write their pages anew.

    Args:
        folders: Of finished runs on the same images and target, at least one; the first stands for ours where none is
            of E'.
        judge: Folder of the independent classifier.

    Returns:
        ``rows``, one an attack, and what they have in common, as plain JSON types.

    Raises:
        ValueError: If a folder holds no finished run, or runs differ in images, target or judge.
    """
    runs = [_judged(folder, judge) for folder in folders]
    place = next((i for i, run in enumerate(runs) if _is_ours(run)), 0)
    own, others = runs[place], [run for i, run in enumerate(runs) if i != place]
    held = rivalries(own, others)
    near = {k: rivalries(own, others, within=k) for k in NEAR_BUDGETS}
    for other in others:
        write_report(other.run.folder)
    page = write_report(own.run.folder, controls=[other.run.folder for other in others])
    return {
        "headline": headline(own, held),
        "notices": notices(own.run.summary),
        "images": own.figures["n"],
        "attacked": own.figures["attacked"],
        "target_accuracy": own.figures["target_accuracy"],
        "data": own.run.summary.get("data"),
        "target": (own.run.summary.get("model") or {}).get("target"),
        "judge": own.kept["judge"] if own.kept else None,
        "judge_accuracy": own.kept["judge_accuracy"] if own.kept else None,
        "ball": ball_of(own.run.settings),
        "rows": [run_row(own, None, {}), *_rival_rows(others, held, near)],
        "page": str(page),
        "versions": package_versions(),
    }


def _rival_rows(
    others: Sequence[JudgedRun], held: Sequence[Rivalry], near: Mapping[int, Sequence[Rivalry]]
) -> list[dict[str, Any]]:
    """Return a row for each other run; nothing is held against it where no image was attacked."""
    if not held:
        return [run_row(run, None, {}) for run in others]
    return [run_row(run, held[i], {k: found[i] for k, found in near.items()}) for i, run in enumerate(others)]


def _is_finished(attack: AttackImagesConfig) -> bool:
    """Tell whether the folder holds the whole run with these options, whose measured time is then kept.

    A run of models that were trained anew in their folders since is none: it is refused where it would be continued.
    """
    path = Path(attack.output, SUMMARY_NAME)
    summary = read_object(path) if path.is_file() else {}
    stored, models = summary.get("settings") or {}, summary.get("model") or {}
    wanted = json.loads(json.dumps(asdict(attack)))
    are_same = all(
        models[role] == identify_folder(folder)
        for role, folder in model_folders(attack).items()
        if role in models and folder.is_dir()
    )
    return are_same and all(
        stored.get(name, NOT_THERE) == value for name, value in wanted.items() if name not in NOT_BINDING
    )


def _judged(folder: str | Path, judge: str | Path) -> JudgedRun:
    """Judge a finished run and read it back whole."""
    judge_folder(folder, judge)
    return judged_run(read_run(folder))


def _is_ours(run: JudgedRun) -> bool:
    settings = run.run.settings
    return settings.get("attack") == "ours" and not run.run.is_control
