"""Tables of images through `datasets`: folders that it saved, and the hub."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from socket import gaierror
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from images_ext.data.tables import ImageTable

__all__ = ["HUB_IDS", "HubUnavailableError", "is_saved", "open_hub", "open_saved"]

# Hub id and configuration.
HUB_IDS = {
    "mnist": ("ylecun/mnist", None),
    "svhn": ("ufldl-stanford/svhn", "cropped_digits"),
    "celeba": ("flwrlabs/celeba", None),
}
_SPLIT_NAMES = {"train": ("train",), "dev": ("validation", "valid", "dev", "val"), "test": ("test",)}
_SAVED_FILES = ("dataset_dict.json", "state.json")
_BATCH_ROWS = 256
_SECONDS = 5.0
_TRUE = {"1", "ON", "YES", "TRUE"}


class HubUnavailableError(ValueError):
    """The hub may not be asked, or does not answer, and the cache has no copy."""


def is_saved(folder: Path) -> bool:
    """Tell whether a folder is one that ``datasets.save_to_disk`` wrote."""
    return any((folder / name).is_file() for name in _SAVED_FILES)


def open_saved(folder: Path, split: str) -> tuple[ImageTable, bool]:
    """Return the rows of a saved data set, and whether it tells of which split they are.

    A data set that tells no split gives all its rows whatever the split.

    Raises:
        ValueError: If the folder is broken, or has no such split.
    """
    from datasets import DatasetDict, load_from_disk

    try:
        saved = load_from_disk(str(folder))
    # What the broken files of such a folder bring about; arrow's own errors are ValueErrors or OSErrors.
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected a folder as datasets.save_to_disk writes it at {folder}, got {type(error).__name__}: {error}"
        ) from error
    if not isinstance(saved, DatasetDict):
        if saved.split is None:
            return _table(saved, str(folder)), False
        saved = {str(saved.split): saved}
    name = next((name for name in _SPLIT_NAMES[split] if name in saved), None)
    if name is None:
        raise ValueError(f"expected split {split} in {folder}, got {', '.join(map(str, saved))}")
    return _table(saved[name], f"{name} of {folder}"), True


def open_hub(source: str, split: str, *, configuration: str | None = None) -> ImageTable:
    """Return the rows of a split on the hub, which `datasets` keeps in its cache.

    Where HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set, the cache alone is asked; else a hub that cannot be reached is
    told within five seconds.

    Args:
        source: Hub id such as ``ylecun/mnist``.
        split: train, dev or test; dev is ``validation``, ``valid``, ``dev`` or ``val`` there.
        configuration: The part of the data set, where it has several.

    Raises:
        HubUnavailableError: If the hub cannot be asked and the cache has no copy.
        ValueError: If there is no such data set or split.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    is_offline = _is_offline()
    if not is_offline:
        _check_network(source)
    try:
        loaded = load_dataset(source, configuration)
    # No such data set, no copy in the cache, files that do not fit.
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        reason = " ".join(str(error).split())[:300]
        if is_offline:
            raise HubUnavailableError(
                f"expected {source} in the cache of datasets, since an environment variable sets the hub offline, "
                f"got {type(error).__name__}: {reason}"
            ) from error
        raise ValueError(f"expected {source} on the hub, got {type(error).__name__}: {reason}") from error
    name = next((name for name in _SPLIT_NAMES[split] if name in loaded), None)
    if name is None:
        raise ValueError(f"expected split {split} of {source}, got {', '.join(map(str, loaded))}")
    return _table(loaded[name], f"{name} of {source}")


def _table(dataset: Any, place: str) -> ImageTable:
    return ImageTable(place, tuple(dataset.column_names), partial(_chunks, dataset))


def _chunks(dataset: Any, column: str) -> Iterator[Any]:
    # As arrow, so that images stay encoded.
    for batch in dataset.select_columns([column]).with_format("arrow").iter(batch_size=_BATCH_ROWS):
        yield batch.column(0).combine_chunks()


def _is_offline() -> bool:
    hub = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return os.environ.get("HF_DATASETS_OFFLINE", hub).upper() in _TRUE


def _check_network(source: str) -> None:
    """Fail at once where the hub cannot be reached; `datasets` would try for half a minute."""
    request = Request(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", method="HEAD")
    try:
        urlopen(request, timeout=_SECONDS).close()
    except HTTPError:
        pass  # an answer all the same
    except (URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        # Other failures, such as unknown certificates, may be this library's alone.
        if isinstance(reason, gaierror | ConnectionError | TimeoutError):
            raise HubUnavailableError(
                f"expected {source} from {request.full_url}, which cannot be reached ({reason}); "
                "name a folder, or set HF_HUB_OFFLINE=1 to read a copy in the cache"
            ) from error
