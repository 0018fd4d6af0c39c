"""Any Hugging Face sequence classifier of premise-hypothesis pairs as a target."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from textsem.targets.batches import constant_shape_batches, num_rows_to_fill
from textsem.text.labels import LABEL_NAMES, align_labels

__all__ = ["HuggingFaceTarget"]

_HUB = ("huggingface.co", 443)
_HUB_PATIENCE_SECONDS = 3.0


class HuggingFaceTarget:
    """Classify pairs with an ``AutoModelForSequenceClassification``.

    A row's probabilities do not depend on its batch mates (see ``textsem.targets.batches``): rows are grouped by token
    length rounded up to a multiple of 8, and a group short of rows is filled with copies of its last one.

    Args:
        name_or_folder: A folder, or a hub id: first from the local cache, then from the hub if it answers at once.
        device: Where the model runs.
        batch_size: Most rows in one forward pass.
        label_order: Label names in the order of the model's outputs, where its config says only ``LABEL_0``.
        dtype: Weights and activations; the probabilities come out in float32.  On a CPU with AVX512-BF16 a six-layer
            MiniLM was 1.9 times as fast in ``bfloat16``, its probabilities at most 0.008 off.

    Raises:
        ValueError: If nothing can be loaded from there, or the model's labels are not those of NLI.
    """

    def __init__(
        self,
        name_or_folder: str,
        *,
        device: str = "cpu",
        batch_size: int = 64,
        label_order: Sequence[str] | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    ) -> None:
        self.label_names: tuple[str, ...] = LABEL_NAMES
        self.batch_size = batch_size
        self.device = torch.device(device)
        self._tokenizer, model = _load(name_or_folder, dtype=getattr(torch, dtype))
        self._model = model.to(self.device).eval().requires_grad_(False)
        names = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
        self._columns = align_labels(names, label_order)
        self._max_tokens = _max_tokens(self._tokenizer, model)

    @torch.no_grad()
    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return probabilities [batch, classes], float32 on the CPU, in the order of ``label_names``.

        Pairs longer than the model's limit are cut, the longer sentence first.

        Raises:
            ValueError: If the numbers of premises and hypotheses differ.
        """
        if len(premises) != len(hypotheses):
            raise ValueError(f"expected as many premises as hypotheses, got {len(premises)} and {len(hypotheses)}")
        probabilities = torch.empty(len(premises), len(self.label_names))
        if not premises:
            return probabilities
        encoded = self._tokenizer(
            list(premises), list(hypotheses), truncation="longest_first", max_length=self._max_tokens
        )
        rows_of = {name: encoded[name] for name in encoded}
        lengths = [(len(ids),) for ids in rows_of["input_ids"]]
        for rows, (width,) in constant_shape_batches(lengths, self.batch_size):
            filled = rows + rows[-1:] * num_rows_to_fill(len(rows), self.batch_size, self.device.type)
            width = min(width, self._max_tokens)
            batch = self._tokenizer.pad(
                {name: [values[row] for row in filled] for name, values in rows_of.items()},
                padding="max_length",
                max_length=width,
                return_tensors="pt",
            ).to(self.device)
            logits = self._model(**batch).logits[: len(rows), self._columns]
            probabilities[rows] = logits.float().softmax(dim=-1).cpu()
        return probabilities


def _load(name_or_folder: str, *, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return tokenizer and model: from the folder, the local cache, or the hub."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def load(*, is_local: bool) -> tuple[Any, Any]:
        tokenizer = AutoTokenizer.from_pretrained(name_or_folder, local_files_only=is_local)
        model = AutoModelForSequenceClassification.from_pretrained(
            name_or_folder, local_files_only=is_local, dtype=dtype
        )
        return tokenizer, model

    try:
        return load(is_local=True)
    except (OSError, ValueError) as error:
        if Path(name_or_folder).is_dir():
            raise ValueError(f"expected a sequence classifier in the folder {name_or_folder}: {error}") from error
        if not _hub_answers():
            raise ValueError(
                f"expected a folder or a hub id, got {name_or_folder!r}: no such folder, not in the local cache, "
                "and the hub does not answer"
            ) from error
    try:
        return load(is_local=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"expected a sequence classifier on the hub under {name_or_folder!r}: {error}") from error


def _hub_answers() -> bool:
    """Tell within seconds whether the hub can be reached: its own client retries for minutes."""
    import socket

    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    try:
        socket.create_connection(_HUB, timeout=_HUB_PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


def _max_tokens(tokenizer: Any, model: Any) -> int:
    """Return the most tokens of a pair: the smaller of the tokenizer's and the model's limit."""
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    return min(int(limit) for limit in limits if limit is not None)
