"""The files of a run while it goes on: lines, and the images beside them; nothing computed is lost to a kill.

``results.jsonl`` has one line an image.  ``images.part`` has one record an image, written before its line: the bytes of
reconstruction and adversarial image.  When the run is finished, ``images.safetensors`` takes its place.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from images_ext.attacks.runner import AttackedChunk
from images_ext.outputs import STATUSES, ImageAttackResult
from textsem.runs.folder_lock import FolderLock
from textsem.runs.whole_files import (
    LineFile,
    check_writable,
    cut_torn_line,
    to_json_bytes,
    told_where,
    write_json,
    write_whole,
)

__all__ = [
    "IMAGES_NAME",
    "REPORT_NAME",
    "RESULTS_NAME",
    "SETTINGS_NAME",
    "SUMMARY_NAME",
    "ImageRunFiles",
    "read_results",
    "to_line",
]

RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME = "results.jsonl", "settings.json", "summary.json"
IMAGES_NAME, PART_NAME, REPORT_NAME = "images.safetensors", "images.part", "report.html"
DECIMALS = 6
_FIELDS = [field.name for field in fields(ImageAttackResult)]


def to_line(result: ImageAttackResult) -> bytes:
    """Return the line of a result, its end included; probabilities to 6 decimals, distances as they are.

    A distance rounded up to the radius would make of a success a flip outside the ball.  A number that is not finite is
    no answer: such a result becomes one with status ``error`` and without its outcome.
    """
    bad = next((number for number in _numbers(result.to_dict()) if not math.isfinite(number)), None)
    if bad is not None:
        result = replace(
            result,
            status="error",
            message=f"expected finite numbers, got {bad}",
            scores=None,
            adversarial_prediction=None,
            distance=None,
            flip_distance=None,
        )
    scores = {which: _rounded(named) for which, named in result.scores.items()} if result.scores else None
    return to_json_bytes(replace(result, scores=scores).to_dict()) + b"\n"


def read_results(path: str | Path) -> list[ImageAttackResult]:
    """Return the results of a whole file, line i about image i.

    Raises:
        ValueError: If a line is torn, has other fields, or stands out of order; the message names line and file.
    """
    with Path(path).open("rb") as file:
        return [_from_line(line, number, Path(path)) for number, line in enumerate(file)]


class ImageRunFiles:
    """The folder of one run, kept for this process; use as a context manager.

    Args:
        folder: Made if missing.
        settings: What a line depends on: options, identities of data and models, seed; plain JSON types.
        inputs: x, bytes [images, channels, height, width].
        resume: Continue the run in the folder, if there is one, instead of removing it.

    Raises:
        ValueError: If another run writes to the folder, or the run to be continued was made with other settings, is
            damaged, or has more lines than there are images.
        OSError: If files cannot be made in the folder.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any], inputs: Tensor, *, resume: bool) -> None:
        self._folder, self._inputs = Path(folder), inputs
        self._record = 2 * inputs[0].numel() if len(inputs) else 0
        check_writable(self._folder)
        with ExitStack() as until_failure:
            until_failure.callback(FolderLock(self._folder).release)
            if resume and self._has_run():
                self._check_settings(settings)
            else:
                self._begin(settings)
            self.num_done = self._cut_to_pairs()
            self._lines = LineFile(self._folder / RESULTS_NAME)
            until_failure.callback(self._lines.close)
            self._at_close = until_failure.pop_all()

    def __enter__(self) -> "ImageRunFiles":
        """Return the object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the files, and let other runs have the folder."""
        self._at_close.close()

    def write(self, chunk: AttackedChunk) -> None:
        """Append the images and then the lines of a chunk; both are on the disk when this returns.

        Raises:
            ValueError: If its indices do not continue those written.
            OSError: If they cannot be written; what was written before is kept.
        """
        indices = [result.index for result in chunk.results]
        if indices != list(range(self.num_done, self.num_done + len(indices))):
            raise ValueError(f"expected the result of image {self.num_done} next, got {indices[:1]}")
        both = torch.stack([chunk.reconstructions, chunk.adversarials], dim=1).contiguous()
        path = self._folder / PART_NAME
        with told_where(path), path.open("ab") as file:
            file.write(both.numpy().tobytes())
            file.flush()
            os.fsync(file.fileno())
        self._lines.append(b"".join(map(to_line, chunk.results)))
        self.num_done += len(indices)

    def finish(self) -> list[ImageAttackResult]:
        """Write ``images.safetensors`` in the place of the part file, and return all results as read back.

        Raises:
            ValueError: If an image has no line.
            OSError: If the file cannot be written; the part is kept.
        """
        from safetensors.torch import save

        results = read_results(self._folder / RESULTS_NAME)
        if len(results) != len(self._inputs):
            raise ValueError(f"expected {len(self._inputs)} lines, one an image, got {len(results)}")
        part = self._folder / PART_NAME
        if part.exists():
            both = torch.frombuffer(bytearray(part.read_bytes()) or bytearray(1), dtype=torch.uint8)
            both = both[: len(results) * self._record].reshape(len(results), 2, *self._inputs.shape[1:])
            tensors = {"inputs": self._inputs, "reconstructions": both[:, 0], "adversarials": both[:, 1]}
            write_whole(self._folder / IMAGES_NAME, save({name: t.contiguous() for name, t in tensors.items()}))
            part.unlink()
        return results

    def _has_run(self) -> bool:
        names = (SETTINGS_NAME, RESULTS_NAME)
        there = [(self._folder / name).exists() for name in names]
        if there == [False, True]:
            raise ValueError(f"expected {SETTINGS_NAME} beside {RESULTS_NAME}, got none: cannot tell what made them")
        return there[0]

    def _begin(self, settings: Mapping[str, Any]) -> None:
        for name in (RESULTS_NAME, PART_NAME, IMAGES_NAME, SUMMARY_NAME, REPORT_NAME):
            (self._folder / name).unlink(missing_ok=True)
        write_json(self._folder / SETTINGS_NAME, settings)

    def _check_settings(self, settings: Mapping[str, Any]) -> None:
        path = self._folder / SETTINGS_NAME
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"expected whole JSON in {path}, got {error}: begin the run anew") from error
        _check_same(stored, json.loads(json.dumps(settings)))

    def _cut_to_pairs(self) -> int:
        """Cut lines and images to the whole ones that both files have; return their number."""
        lines, part = self._folder / RESULTS_NAME, self._folder / PART_NAME
        cut_torn_line(lines)
        results = read_results(lines) if lines.exists() else []
        if len(results) > len(self._inputs):
            raise ValueError(
                f"expected at most {len(self._inputs)} lines, one an image, got {len(results)} in {lines}: resume with "
                "as many images as before, or begin anew"
            )
        if len(results) == len(self._inputs) and (self._folder / IMAGES_NAME).exists() and not part.exists():
            return len(results)
        num_images = part.stat().st_size // self._record if part.exists() and self._record else 0
        num_done = min(len(results), num_images)
        if part.exists():
            with told_where(part):
                os.truncate(part, num_done * self._record)
        if num_done < len(results):
            write_whole(lines, b"".join(map(to_line, results[:num_done])))
        return num_done


def _check_same(stored: Any, given: Any, *, field: str = "") -> None:
    if isinstance(stored, dict) and isinstance(given, dict):
        for name in sorted({*stored, *given}):
            _check_same(stored.get(name), given.get(name), field=f"{field}.{name}" if field else name)
    elif stored != given:
        raise ValueError(f"expected {field} {stored!r} as in the run to be resumed, got {given!r}")


def _from_line(line: bytes, number: int, path: Path) -> ImageAttackResult:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise ValueError(f"expected a whole JSON line {number} of {path}, got {line[:60]!r}") from error
    if not isinstance(values, dict) or list(values) != _FIELDS or values["status"] not in STATUSES:
        raise ValueError(f"expected fields {_FIELDS} in line {number} of {path}, got {line[:60]!r}")
    if not line.endswith(b"\n"):
        raise ValueError(f"expected line {number} of {path} to be whole, got one without its end")
    if values["index"] != number:
        raise ValueError(f"expected line {number} of {path} to be about image {number}, got {values['index']}")
    return ImageAttackResult(**values)


def _rounded(named: Mapping[str, float]) -> dict[str, float]:
    """Round probabilities; adding 0.0 turns -0.0 into 0.0."""
    return {name: round(value, DECIMALS) + 0.0 for name, value in named.items()}


def _numbers(value: Any) -> Sequence[float]:
    if isinstance(value, float):
        return [value]
    if isinstance(value, dict):
        return [number for inner in value.values() for number in _numbers(inner)]
    return []
