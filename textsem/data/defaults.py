"""Which data a name stands for, and no name: what a variable names, SNLI, or the demo pairs."""

import os

from textsem.data.demo import read_demo
from textsem.data.hub import SNLI, DataUnavailableError, read_snli
from textsem.data.locations import canonical_split, open_rows
from textsem.data.table import RowSource

__all__ = ["DATA_VARIABLE", "open_source"]

DATA_VARIABLE = "TEXTSEM_DATA"


def open_source(source: str | None, split: str) -> tuple[RowSource, str | None]:
    """Return the rows of a source, and what the user must be told about them.

    Args:
        source: A file, a folder or a hub id, as `open_rows` takes them.  None: what the environment variable
            TEXTSEM_DATA names; else SNLI from the local cache; else SNLI from the hub, giving up within 5 seconds;
            else the demo pairs and a notice.
        split: ``train``, ``dev`` (also ``validation``), ``test``, or a longer part of a file's name.

    Raises:
        ValueError: If there is no such source or split, or it cannot be read; or if ``source`` is None and no training
            data is to be had, for which the demo pairs are no substitute.
    """
    if source is not None:
        return open_rows(source, split), None
    named = os.environ.get(DATA_VARIABLE)
    if named:
        if not os.path.exists(os.path.expanduser(named)):
            raise ValueError(f"expected an existing file or folder in {DATA_VARIABLE}, got {named!r}")
        try:
            return open_rows(named, split), None
        except ValueError as error:
            raise ValueError(f"{error} (from the environment variable {DATA_VARIABLE})") from error
    try:
        return read_snli(split), None
    except DataUnavailableError as error:
        reason = str(error)
    if canonical_split(split) == "train":
        raise ValueError(
            f"expected training data, got none: SNLI could not be read ({reason}); name a file, folder or hub id"
        )
    demo = read_demo()
    notice = (
        f"SNLI's {split} split could not be read ({reason}). Using the {len(demo.columns['label'])} demo pairs that "
        f"come with textsem instead: figures on them are no figures on SNLI. Name a file, a folder or {SNLI} as the "
        f"data, or set {DATA_VARIABLE}."
    )
    return demo, notice
