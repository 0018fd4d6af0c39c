"""Any Hugging Face sequence classifier of premise-hypothesis pairs as a target."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from textsem.targets.hugging_face_files import load_classifier
from textsem.text.half_products import tell_if_slow
from textsem.text.labels import LABEL_NAMES, TWO_CLASS_NAMES, align_labels
from textsem.text.pretrained import token_batches, token_limit

__all__ = ["HuggingFaceTarget"]


class HuggingFaceTarget:
    """Classify pairs with an ``AutoModelForSequenceClassification``.

    A row's probabilities do not depend on its batch mates (see ``textsem.text.constant_shapes``): rows are grouped by
    token length rounded up to a multiple of 8, and a group short of rows is filled with copies of its last one.

    ``label_names`` is ``LABEL_NAMES``, or ``TWO_CLASS_NAMES`` of a model that knows entailment or not.

    Args:
        name_or_folder: A folder, or a hub id: first from the local cache, then from the hub if it answers at once.
        device: Where the model runs.
        batch_size: Most rows in one forward pass.
        label_order: Label names in the order of the model's outputs, where its config says only ``LABEL_0``, or calls
            the other one of two classes neutral or contradiction.
        dtype: Weights and activations; the probabilities come out in float32.  On a CPU with AVX512-BF16 a six-layer
            MiniLM was 1.9 times as fast in ``bfloat16``, its probabilities at most 0.008 off.

    Raises:
        ValueError: If nothing can be loaded from there, files are broken or do not fit each other, the model's labels
            are not those of NLI, or it does not answer with finite numbers.
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
        self.batch_size = batch_size
        self.device = torch.device(device)
        tell_if_slow(dtype, self.device)
        self._tokenizer, model = load_classifier(name_or_folder, dtype=getattr(torch, dtype))
        try:
            names = {int(number): str(name) for number, name in model.config.id2label.items()}
            self._columns = align_labels(names, label_order)
        except ValueError as error:
            raise ValueError(f"{error}; in config.json of {name_or_folder}") from error
        self.label_names: tuple[str, ...] = LABEL_NAMES if len(self._columns) == 3 else TWO_CLASS_NAMES
        self._model = model.to(self.device).eval().requires_grad_(False)
        self._max_tokens = token_limit(self._tokenizer, model)
        # What would be every pair's error is said once.
        if not torch.isfinite(self.predict(["A man sleeps."], ["A man rests."])).all():
            raise ValueError(
                f"expected a model that answers with finite numbers, got nan or inf from {name_or_folder} in {dtype}: "
                "its weights are broken, or too large for this dtype"
            )

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
