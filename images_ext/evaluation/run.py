"""The main job on images: attack a classifier and leave results, images, summary and report in a folder."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from images_ext.attacks.runner import attack_chunks
from images_ext.data.images import ImageSet
from images_ext.evaluation.assembly import (
    LoadedImageAttack,
    assemble,
    check_image_shapes,
    identify_data,
    judge_folder_of,
    load_attacked_images,
)
from images_ext.evaluation.finished_run import read_run
from images_ext.evaluation.metrics import summarise
from images_ext.evaluation.results import (
    IMAGES_NAME,
    REPORT_NAME,
    RESULTS_NAME,
    SUMMARY_NAME,
    ImageRunFiles,
)
from images_ext.evaluation.run_config import NOT_BINDING, AttackImagesConfig
from images_ext.outputs import ImageAttackResult
from textsem.runs.versions import package_versions
from textsem.runs.whole_files import check_writable, write_json

__all__ = ["FILE_NAMES", "attack_images"]

FILE_NAMES = (RESULTS_NAME, IMAGES_NAME, SUMMARY_NAME, REPORT_NAME)

Progress = Callable[[int, int, int], None]


def attack_images(config: AttackImagesConfig, *, progress: Progress | None = None) -> dict[str, Any]:
    """Attack a target; write ``results.jsonl``, ``images.safetensors``, ``summary.json`` and ``report.html``.

    Args:
        config: The options.
        progress: Told images done, images in all and successes after every chunk.

    Returns:
        What ``summary.json`` holds.

    Raises:
        ValueError: If an option, the data, the target or the adversary does not fit, or if the run to be resumed was
            made with other settings.
        OSError: If files cannot be read or written.
    """
    # Before anything that takes long: a folder or data of no use cost nothing.
    folder = Path(config.output)
    check_writable(folder)
    for control in config.controls:
        read_run(control)  # refused now, not when the report is written
    data, notice = load_attacked_images(config)
    loaded = assemble(config)
    _check_images(data, loaded)
    check_image_shapes(config, data)
    began = time.perf_counter()
    with ImageRunFiles(folder, _settings(config, data, loaded), data.images, resume=config.resume) as files:
        num_there, successes = files.num_done, 0
        for chunk in attack_chunks(
            data, loaded.target, loaded.attack, start=files.num_done, chunk_size=config.chunk_size
        ):
            files.write(chunk)
            successes += sum(result.status == "success" for result in chunk.results)
            if progress is not None:
                progress(files.num_done, len(data), successes)
        seconds = time.perf_counter() - began
        results = files.finish()
        return _conclude(config, data, loaded, results, notice, seconds, len(results) - num_there)


def _check_images(data: ImageSet, loaded: LoadedImageAttack) -> None:
    if not len(data):
        raise ValueError(f"expected at least one image of {data.name} {data.split}, got none")
    if loaded.image_shape not in (None, data.shape):
        raise ValueError(f"expected images of the adversary's shape {loaded.image_shape}, got {data.shape}")


def _settings(config: AttackImagesConfig, data: ImageSet, loaded: LoadedImageAttack) -> dict[str, Any]:
    """Return what a line depends on."""
    options = {name: value for name, value in asdict(config).items() if name not in NOT_BINDING}
    moves = {name: value for name, value in (loaded.moves or {}).items() if name != "seed"}
    return {
        **options,
        "images": identify_data(data),
        "models": loaded.identity,
        "moves": moves,
        "search": asdict(config.search_config()),
    }


def _conclude(
    config: AttackImagesConfig,
    data: ImageSet,
    loaded: LoadedImageAttack,
    results: Sequence[ImageAttackResult],
    notice: str | None,
    seconds: float,
    num_added: int,
) -> dict[str, Any]:
    """Write summary and report, and return the summary."""
    # Imported here, so that the attack itself does without the page and its figures.
    from images_ext.evaluation.report import write_report

    folder = Path(config.output)
    summary = {
        **summarise(results, norm=config.norm, epsilon=config.eps),
        "settings": asdict(config),
        "seed": config.seed,
        "data": identify_data(data),
        "model": loaded.identity,
        "moves": loaded.moves,
        "rows_sent": sum(_rows(result) for result in results),
        "seconds": seconds,
        "images_per_second": num_added / seconds if seconds else 0.0,
        "notice": notice,
        "first_error": next((result.message for result in results if result.status == "error"), None),
        # Of this process alone: a resumed run did not count what came before it.
        "this_process": {phase: counts.to_dict() for phase, counts in _counts(loaded).items()},
        "versions": package_versions(),
    }
    write_json(folder / SUMMARY_NAME, summary)
    plain: dict[str, Any] = json.loads((folder / SUMMARY_NAME).read_text(encoding="utf-8"))
    write_report(folder, controls=config.controls, judge=judge_folder_of(config))
    return plain


def _rows(result: ImageAttackResult) -> int:
    """Return the rows sent for an image: the check, the clean reconstruction, the candidates."""
    return result.queries + (result.prediction is not None) + (result.is_reconstruction_flipped is not None)


def _counts(loaded: LoadedImageAttack) -> Mapping[str, Any]:
    return {phase: counts for phase, counts in loaded.target.counts.items()}
