"""Any Hugging Face sequence classifier of premise-hypothesis pairs as a target."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from textsem.text.labels import LABEL_NAMES, align_labels
from textsem.text.pretrained import load_pretrained, token_batches, token_limit

__all__ = ["HuggingFaceTarget"]


class HuggingFaceTarget:
    """Classify pairs with an ``AutoModelForSequenceClassification``.

    A row's probabilities do not depend on its batch mates (see ``textsem.text.constant_shapes``): rows are grouped by
    token length rounded up to a multiple of 8, and a group short of rows is filled with copies of its last one.

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
        self._max_tokens = token_limit(self._tokenizer, model)

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
        batches = token_batches(
            self._tokenizer,
            premises,
            hypotheses,
            max_tokens=self._max_tokens,
            batch_size=self.batch_size,
            device=self.device,
        )
        for rows, batch in batches:
            logits = self._model(**batch).logits[: len(rows), self._columns]
            probabilities[rows] = logits.float().softmax(dim=-1).cpu()
        return probabilities


def _load(name_or_folder: str, *, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return tokenizer and model: from the folder, the local cache, or the hub."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def load(is_local: bool) -> tuple[Any, Any]:
        options = {"local_files_only": is_local, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(name_or_folder, **options)
        model = AutoModelForSequenceClassification.from_pretrained(name_or_folder, dtype=dtype, **options)
        return tokenizer, model

    return load_pretrained(name_or_folder, load, kind="a sequence classifier")
