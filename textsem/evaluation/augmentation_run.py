"""Augment a file of pairs: rows, data card and settings in a folder, and nothing done twice after a kill."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from textsem.data.stream import NliStream, stream_nli
from textsem.evaluation.augmentation_card import CardFacts, data_card
from textsem.evaluation.augmentation_chunks import CHUNK_SIZE, AugmentedChunk, RowMaker, chunk_line, read_chunks
from textsem.evaluation.augmentation_files import OutputFormat, remove_outputs, write_rows
from textsem.evaluation.augmentation_progress import AugmentationProgress
from textsem.evaluation.augmentation_summary import AugmentationSummary, summarise_chunks
from textsem.evaluation.augmentation_workers import augmented_chunks
from textsem.evaluation.identity import public_name
from textsem.processes import Processes
from textsem.runs.folder_lock import FolderLock
from textsem.runs.versions import package_versions
from textsem.runs.whole_files import LineFile, check_writable, cut_torn_line, write_json, write_whole

__all__ = ["CARD_NAME", "CHUNKS_NAME", "SETTINGS_NAME", "SUMMARY_NAME", "AugmentNliConfig", "augment_nli"]

CHUNKS_NAME = "chunks.jsonl"  # what --resume goes on from
SETTINGS_NAME, SUMMARY_NAME, CARD_NAME = "settings.json", "summary.json", "README.md"
READ_SIZE = 1024
# What the chunks do not depend on, the digest of the data apart: a run may be resumed with another value.
NOT_BINDING = (
    *("data", "split", "limit", "output", "format", "new_only", "num_workers", "resume", "machine"),
    *("device", "batch_size"),
)


@dataclass(frozen=True)
class AugmentNliConfig:
    """Where pairs come from and where rows go; how rows are made is the augmenter's own config.

    Args:
        data: File, folder of splits or hub id; None for TEXTSEM_DATA, else SNLI.
        split: Split of the data.
        limit: Number of labelled pairs, from the start; 0 for all.
        output: Folder for rows, card and settings.
        format: ``parquet`` or ``jsonl``, a file; or ``datasets``, a folder that ``load_from_disk`` reads.
        new_only: Leave the data's own rows out.
        num_workers: Processes that make rows.
        resume: Go on with the run in that folder.
        machine: What the card says about the machine.
    """

    data: str | None = None
    split: str = "train"
    limit: int = 0
    output: str = "runs/augment_nli"
    format: OutputFormat = "parquet"
    new_only: bool = False
    num_workers: int = 1
    resume: bool = False
    machine: str = "not stated"

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.format not in get_args(OutputFormat):
            raise ValueError(f"expected format to be one of {', '.join(get_args(OutputFormat))}, got {self.format!r}")
        if self.num_workers < 1:
            raise ValueError(f"expected num_workers >= 1, got {self.num_workers}")


def augment_nli(
    config: AugmentNliConfig, maker: RowMaker, *, command: str = "not stated", show_progress: bool = False
) -> dict[str, Any]:
    """Make new rows for the pairs of the data and write them, with a card, settings and a summary.

    The rows are those of any other number of workers, and of a run that was killed and resumed, byte for byte.

    Args:
        config: Where from and where to.
        maker: Makes the rows.
        command: What was typed, for the card.
        show_progress: Show a line about the progress on standard error.

    Returns:
        What ``summary.json`` holds.

    Raises:
        ValueError: If an option or the data does not fit, or the run to be resumed was made with other settings.
        TargetError: If the target does not answer.
        OSError: If files cannot be read or written, or a worker dies.
    """
    Processes.current().expect_alone("augmentation")
    folder = Path(config.output)
    check_writable(folder)
    data = stream_nli(config.data, split=config.split, limit=config.limit, label_order=maker.config.data_label_order)
    for _ in data.chunks(READ_SIZE):  # so that size and digest are known before anything that takes long
        pass
    settings = _settings(config, maker, data)
    lock = FolderLock(folder)
    try:
        _begin(folder, settings, resume=config.resume)
        _work(folder, config, maker, data, show_progress=show_progress)
        return _conclude(folder, config, data, settings, command)
    finally:
        lock.release()


def _settings(config: AugmentNliConfig, maker: RowMaker, data: NliStream) -> dict[str, Any]:
    own = asdict(maker.config)
    own |= {role: public_name(own[role]) for role in ("target", "filter_model") if own[role] is not None}
    settings = {
        "options": {**asdict(config), **own},
        "seed": maker.config.seed,
        "models": maker.identity,
        "data": {**asdict(data.identity), "dropped_unlabelled": data.dropped_unlabelled},
        "versions": package_versions(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def _begin(folder: Path, settings: dict[str, Any], *, resume: bool) -> None:
    """Make the folder ready: compare settings with those of the run to be resumed, or remove an earlier run."""
    stored, chunks = folder / SETTINGS_NAME, folder / CHUNKS_NAME
    if resume and chunks.exists():
        if not stored.exists():
            raise ValueError(f"expected {SETTINGS_NAME} beside {CHUNKS_NAME}, got none: cannot tell what made them")
        try:
            earlier = json.loads(stored.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"expected whole JSON in {stored}, got {error}: begin the run anew") from error
        before, now = _binding(earlier), _binding(settings)
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise ValueError(
                    f"expected {name} {before.get(name)!r} as in the run to be resumed, got {now.get(name)!r}"
                )
        cut_torn_line(chunks)
    elif (folder / CARD_NAME).exists() and not (chunks.exists() or stored.exists()):
        raise ValueError(
            f"expected a folder without a {CARD_NAME} of something else, got {folder}: name another one with --output"
        )
    else:
        for name in (CHUNKS_NAME, SUMMARY_NAME, CARD_NAME):
            (folder / name).unlink(missing_ok=True)
        remove_outputs(folder)
    write_json(stored, settings)


def _binding(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what chunks depend on, by name."""
    try:
        options, models, data = (settings[part] for part in ("options", "models", "data"))
        return {
            **{name: value for name, value in options.items() if name not in NOT_BINDING},
            **{role: model for role, model in models.items() if role not in options},
            **{f"{role} sha256": model["sha256"] for role, model in models.items()},
            **{f"data {name}": data[name] for name in ("rows", "sha256")},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected {SETTINGS_NAME} of an augmentation, got another: begin the run anew") from error


def _work(folder: Path, config: AugmentNliConfig, maker: RowMaker, data: NliStream, *, show_progress: bool) -> None:
    """Append the chunks that the file lacks."""
    path, total = folder / CHUNKS_NAME, data.identity.rows
    num_done = 0
    for chunk in read_chunks(path):
        start, size = num_done * CHUNK_SIZE, len(chunk.pairs) + chunk.num_problems
        wanted = min(CHUNK_SIZE, total - start)
        if (chunk.start, size) != (start, wanted):
            raise ValueError(
                f"expected {wanted} pairs from {start} on next in {path}, got {size} from {chunk.start} on: begin the "
                "run anew"
            )
        num_done += 1
    lines = LineFile(path)
    try:
        remaining = islice(data.chunks(CHUNK_SIZE), num_done, None)
        progress = AugmentationProgress(total, num_before=min(num_done * CHUNK_SIZE, total), is_shown=show_progress)
        with progress, closing(augmented_chunks(maker, remaining, num_workers=config.num_workers)) as done:
            for chunk in _timed(done):
                lines.append(chunk_line(chunk))
                progress.update(len(chunk.pairs) + chunk.num_problems, sum(len(pair.new) for pair in chunk.pairs))
    finally:
        lines.close()


def _timed(chunks: Iterator[AugmentedChunk]) -> Iterator[AugmentedChunk]:
    before = time.monotonic()
    for chunk in chunks:
        now = time.monotonic()
        before, seconds = now, now - before
        yield replace(chunk, seconds=seconds)


def _conclude(
    folder: Path, config: AugmentNliConfig, data: NliStream, settings: dict[str, Any], command: str
) -> dict[str, Any]:
    """Write rows, summary and card from the chunks."""
    path = folder / CHUNKS_NAME
    summary: AugmentationSummary = summarise_chunks(read_chunks(path), seed=settings["seed"])
    rows = (row for chunk in read_chunks(path) for pair in chunk.pairs for row in pair.rows(new_only=config.new_only))
    written = write_rows(folder, config.format, rows, labels=summary.labels)
    facts = CardFacts(
        file=written.name,
        form=config.format,
        new_only=config.new_only,
        data=settings["data"],
        models=settings["models"],
        settings=settings["options"],
        seed=settings["seed"],
        num_workers=config.num_workers,
        command=command,
        machine=config.machine,
        notice=data.notice,
    )
    write_whole(folder / CARD_NAME, data_card(summary, facts).encode("utf-8"))
    content = {**summary.to_dict(), "file": written.name, "notice": data.notice}
    write_json(folder / SUMMARY_NAME, content)
    return content
