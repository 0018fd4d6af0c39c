"""Where data lies: a file, a folder of splits, a saved data set, a hub id."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from textsem.data.arrow import open_dataset
from textsem.data.files import SUFFIXES, open_file
from textsem.data.table import RowSource, join_rows

__all__ = ["canonical_split", "open_rows"]

_SPLIT_NAMES = {
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "training": "train",
    "testing": "test",
}
_SHARD = re.compile(r"-\d{5}-of-(\d{5})$")
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def canonical_split(split: str) -> str:
    """Return the hub's name of a split.

    >>> canonical_split("dev"), canonical_split("test")
    ('validation', 'test')
    """
    return _SPLIT_NAMES.get(split.lower(), split)


def open_rows(source: str, split: str) -> RowSource:
    """Return the rows of a split of a file, a folder or a hub id; none is read here but the first.

    Args:
        source: A file (then ``split`` is not consulted), a folder whose file names contain the split's name, a folder
            written by ``datasets.save_to_disk``, or a hub id.
        split: ``train``, ``dev`` (also ``validation``) or ``test``, or a longer part of a file's name (``snli_test``).

    Raises:
        ValueError: If there is no such source or split, if it cannot be read, or if a folder holds several data sets
            with that split.
    """
    path = Path(os.path.expanduser(source))
    try:
        if path.is_file():
            return open_file(path, source=source, split=None)
        if path.is_dir():
            if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
                return _open_saved(path, source=source, split=split)
            shards = _files_of_split(path, split)
            return join_rows([open_file(file, source=source, split=split) for file in shards])
    except OSError as error:  # a folder without permissions, a name that is too long
        reason = error.strerror or error
        raise ValueError(f"expected data that can be read, got {source!r}: {reason}; check its permissions") from error
    if path.suffix.lower() in SUFFIXES or not _HUB_ID.fullmatch(source):
        raise ValueError(f"expected an existing file or folder, or a hub id such as stanfordnlp/snli, got {source!r}")
    return _open_hub(source, split)


def _files_of_split(folder: Path, split: str) -> list[Path]:
    """Return the file, or the shards, that hold ``split``."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES)
    groups: dict[str, dict[str, list[Path]]] = {}
    for file in files:
        if _contains(_parts(file.stem), _parts(split)):
            groups.setdefault(_SHARD.sub("", file.stem), {}).setdefault(file.suffix.lower(), []).append(file)
    if not groups:
        names = ", ".join(file.name for file in files) or "no data files"
        raise ValueError(f"expected a file with {split!r} in its name in {str(folder)!r}, got {names}")
    if len(groups) > 1:
        names = ", ".join(file.name for formats in groups.values() for shards in formats.values() for file in shards)
        raise ValueError(
            f"expected one data set with split {split!r} in {str(folder)!r}, got {len(groups)}: {names}; "
            "name one file, or more of its name as the split"
        )
    ((_, formats),) = groups.items()
    shards = formats[min(formats, key=SUFFIXES.index)]
    numbered = _SHARD.search(shards[0].stem)
    if numbered is not None and len(shards) != int(numbered[1]):
        raise ValueError(f"expected {int(numbered[1])} shards like {shards[0].name!r}, got {len(shards)}")
    return shards


def _parts(name: str) -> list[str]:
    return [canonical_split(part) for part in re.split(r"[^a-z0-9]+", name.lower()) if part]


def _contains(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    size = len(wanted)
    return size > 0 and any(list(parts[i : i + size]) == list(wanted) for i in range(len(parts) - size + 1))


def _open_saved(folder: Path, *, source: str, split: str) -> RowSource:
    from datasets import DatasetDict, load_from_disk

    try:
        saved = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # whatever its broken files bring about
        raise ValueError(
            f"expected a folder as datasets.save_to_disk writes it, got {source!r}: {type(error).__name__}: {error}; "
            "save it again"
        ) from error
    if isinstance(saved, DatasetDict):
        named = {canonical_split(str(name)): name for name in saved}
        if canonical_split(split) not in named:
            raise ValueError(f"expected split {split!r} in {source!r}, got {', '.join(map(str, saved))}")
        saved = saved[named[canonical_split(split)]]
        return open_dataset(saved, source=source, split=split)
    return open_dataset(saved, source=source, split=None)


def _open_hub(source: str, split: str) -> RowSource:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        dataset = load_dataset(source, split=canonical_split(split))
    # No network, no such data set, no such split, files that do not fit, a data set that is a program.
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        raise ValueError(
            f"expected split {split!r} of {source!r}, through datasets, got {type(error).__name__}: {error}; "
            "a file or a folder of splits can be given instead"
        ) from error
    return open_dataset(dataset, source=source, split=split)
