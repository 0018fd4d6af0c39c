"""SNLI when nobody named a source: from the local cache, else from the hub within a few seconds."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from textsem.data.locations import canonical_split
from textsem.data.table import Table

__all__ = ["HUB_SECONDS", "SNLI", "DataUnavailableError", "read_snli"]

SNLI = "stanfordnlp/snli"
# The promise is to give up within 5 seconds; ending the reader takes the rest.
HUB_SECONDS = 4.5
# Reading the cache cannot hang; the limit is for a disk that does.
CACHE_SECONDS = 60.0

_TRUE = {"1", "ON", "YES", "TRUE"}


class DataUnavailableError(RuntimeError):
    """SNLI is neither in the local cache nor to be had from the hub in time."""


def read_snli(split: str) -> Table:
    """Read a split of SNLI from the local cache of `datasets`, else from the hub.

    The cache is asked offline, so a machine without a network does not wait.  What the hub sends is not kept: naming
    ``stanfordnlp/snli`` as the source downloads all of it into the cache, without a limit of time.

    Raises:
        DataUnavailableError: If there is no copy, and the hub may not be asked or did not answer within
            ``HUB_SECONDS``; the message says which.
    """
    reasons = []
    for name in (SNLI, "snli"):  # the second is SNLI's old hub id
        if (_cache_folder() / name.replace("/", "___")).is_dir():
            offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
            try:
                return _run_reader(name, split, mode="cached", variables=offline, seconds=CACHE_SECONDS)
            except DataUnavailableError as error:
                reasons.append(f"cache: {error}")
    if not reasons:
        reasons.append("no local copy")
    if _is_offline():
        reasons.append("the hub may not be asked (an environment variable sets it offline)")
        raise DataUnavailableError("; ".join(reasons))
    try:
        return _run_reader(SNLI, split, mode="stream", variables={}, seconds=HUB_SECONDS)
    except DataUnavailableError as error:
        raise DataUnavailableError("; ".join([*reasons, f"hub: {error}"])) from error


def _run_reader(name: str, split: str, *, mode: str, variables: Mapping[str, str], seconds: float) -> Table:
    program = str(Path(__file__).with_name("hub_reader.py"))
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / "rows.jsonl", Path(folder) / "log.txt"
        # -P: the program's own folder is no place to import from.
        command = [sys.executable, "-P", program, name, canonical_split(split), mode, str(output)]
        with log.open("wb") as sink:
            try:
                subprocess.run(
                    command,
                    env={**os.environ, **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    timeout=seconds,
                    check=True,
                )
            except subprocess.TimeoutExpired as error:
                raise DataUnavailableError(f"no answer within {seconds:.1f} s") from error
            except subprocess.CalledProcessError as error:
                said = log.read_text(encoding="utf-8", errors="replace").split("\n")
                last = next((line.strip() for line in reversed(said) if line.strip()), "no message")
                raise DataUnavailableError(last) from error
        with output.open(encoding="utf-8") as lines:
            names = json.loads(next(lines))
            rows = [json.loads(line) for line in lines]
    roles = ("premise", "hypothesis", "label")
    columns = {role: [row[i] for row in rows] for i, role in enumerate(roles)}
    return Table(name, split, columns, roles, {} if names is None else {"label": tuple(names)})


def _is_offline() -> bool:
    """Return whether the user forbade the hub, as `datasets` and huggingface_hub read the variables."""
    hub = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return os.environ.get("HF_DATASETS_OFFLINE", hub).upper() in _TRUE


def _cache_folder() -> Path:
    """Return where `datasets` keeps what it has prepared, without importing it."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.environ.get("HF_DATASETS_CACHE") or os.path.join(home, "datasets")).expanduser()
