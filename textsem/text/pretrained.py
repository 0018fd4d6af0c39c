"""Pre-trained models and tokenizers of transformers: loaded without long waits, fed in constant shapes."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from textsem.text.constant_shapes import constant_shape_batches, num_rows_to_fill

__all__ = ["BrokenFilesError", "load_pretrained", "token_batches", "token_limit"]

_HUB = "https://huggingface.co"
_HUB_PATIENCE_SECONDS = 3.0
# Tokenizers read all of a text before they cut it: a megabyte takes seconds, and is asked about again and again.
_CHARACTERS_PER_TOKEN = 64
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

Loaded = TypeVar("Loaded")


class BrokenFilesError(ValueError):
    """Files that are there and of no use: the hub is not asked for them behind the user's back."""


def load_pretrained(name_or_folder: str, load: Callable[[bool], Loaded], *, kind: str) -> Loaded:
    """Load from a folder, from the local cache, or from the hub if it answers at once.

    Args:
        name_or_folder: A folder or a hub id.
        load: Does the work; told whether only local files may be read, and raises OSError or ValueError where it fails,
            ``BrokenFilesError`` where it found what cannot be used.
        kind: What is expected there, for the message.

    Raises:
        ValueError: If nothing can be loaded from there.
    """
    is_folder = Path(name_or_folder).is_dir()
    try:
        return load(True)
    except (OSError, ValueError) as error:
        if is_folder:
            raise ValueError(f"expected {kind} in the folder {name_or_folder}: {error}") from error
        if isinstance(error, BrokenFilesError):
            raise ValueError(f"expected {kind} in the local cache under {name_or_folder!r}: {error}") from error
        if not _hub_answers():
            raise ValueError(
                f"expected a folder or a hub id, got {name_or_folder!r}: no such folder, not in the local cache, "
                f"and the hub does not answer{_why_offline()}"
            ) from error
    try:
        return load(False)
    except (OSError, ValueError) as error:
        raise ValueError(f"expected {kind} on the hub under {name_or_folder!r}: {error}") from error


def token_limit(tokenizer: Any, model: Any) -> int:
    """Return the most tokens that a model of transformers reads: the smaller of the tokenizer's and its own limit."""
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    return min(int(limit) for limit in limits if limit is not None)


def token_batches(
    tokenizer: Any,
    sentences: Sequence[str],
    seconds: Sequence[str] | None = None,
    *,
    max_tokens: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[tuple[list[int], Any]]:
    """Tokenize sentences or pairs and group them so that no row's result depends on its batch mates.

    Args:
        tokenizer: One of transformers.
        sentences: The first, or only, sentence of each row; at least one row.
        seconds: The second sentence of each row; None where there is only one.
        max_tokens: A longer row is cut, the longer sentence first; of a sentence, 64 times as many characters are read.
        batch_size: Most rows in a batch.
        device: Where the tensors go.

    Yields:
        The row numbers of a batch, and what the model takes; its first rows are those, copies of the last one fill it.
    """
    most = _CHARACTERS_PER_TOKEN * max_tokens
    encoded = tokenizer(
        [sentence[:most] for sentence in sentences],
        None if seconds is None else [second[:most] for second in seconds],
        truncation="longest_first",
        max_length=max_tokens,
    )
    rows_of = {name: encoded[name] for name in encoded}
    lengths = [(len(ids),) for ids in rows_of["input_ids"]]
    for rows, (width,) in constant_shape_batches(lengths, batch_size):
        filled = rows + rows[-1:] * num_rows_to_fill(len(rows), batch_size, device.type)
        batch = tokenizer.pad(
            {name: [values[row] for row in filled] for name, values in rows_of.items()},
            padding="max_length",
            max_length=min(width, max_tokens),
            return_tensors="pt",
        )
        yield rows, batch.to(device)


def _hub_answers() -> bool:
    """Tell within seconds whether the hub can be reached: its own client retries for minutes."""
    import socket

    if _offline_variables():
        return False
    try:
        socket.create_connection(_first_stop(), timeout=_HUB_PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


def _offline_variables() -> list[str]:
    """Return the environment variables by which the user keeps from asking the hub."""
    return [name for name in _OFFLINE_VARIABLES if os.environ.get(name, "0").upper() in ("1", "ON", "YES", "TRUE")]


def _why_offline() -> str:
    names = _offline_variables()
    return f": {' and '.join(names)} forbid{'s' if len(names) == 1 else ''} asking it" if names else ""


def _first_stop() -> tuple[str, int]:
    """Return host and port of the hub, or of its mirror (HF_ENDPOINT), or of the proxy on the way there."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    hub = urlsplit(os.environ.get("HF_ENDPOINT") or _HUB)
    proxy = None if proxy_bypass(hub.hostname or "") else getproxies().get(hub.scheme)
    stop = urlsplit(proxy) if proxy else hub
    return stop.hostname or "", stop.port or (80 if stop.scheme == "http" else 443)
