"""Sentences as vectors of unit length: any sentence-transformers model, or a plain encoder with its mean of words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from textsem.constraints.memory import BoundedMemory
from textsem.constraints.sentence_layout import SentenceLayout, read_sentence_layout
from textsem.text.half_products import tell_if_slow
from textsem.text.pretrained import load_pretrained, token_batches, token_limit
from textsem.text.pretrained_files import check_model_folder, check_tokenizer, check_weights, reading_files

__all__ = ["SentenceEncoder"]


@dataclass(frozen=True)
class _Model:
    """What encoding needs: a tokenizer of transformers, and pooling [rows, dim] of what it returns."""

    tokenizer: Any
    max_tokens: int
    is_lower_cased: bool
    pool: Callable[[Any], Tensor]


class SentenceEncoder:
    """Encode sentences with a sentence-transformers model, by transformers alone where its files allow it.

        e(x) = p / |p|,   p = mean of the last layer over x's tokens, or its first token, as the model's files say

    A folder without ``modules.json`` is a plain encoder and gets the mean.  A model with more than encoder, pooling and
    normalisation needs the library sentence-transformers.  A sentence's vector does not depend on its batch mates (see
    ``textsem.text.constant_shapes``).

    Args:
        name_or_folder: A folder, or a hub id: first from the local cache, then from the hub if it answers at once.
        device: Where the model runs.
        batch_size: Most sentences in one forward pass.
        dtype: Weights and activations; pooling and vectors are float32.
        memory_size: Most sentences whose vectors are remembered; with 384 dimensions 50,000 take 80 MB.

    Raises:
        ValueError: If nothing can be loaded from there.
        ImportError: If the model needs the library sentence-transformers and it is not installed.
    """

    def __init__(
        self,
        name_or_folder: str,
        *,
        device: str = "cpu",
        batch_size: int = 64,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        memory_size: int = 50_000,
    ) -> None:
        self.device = torch.device(device)
        tell_if_slow(dtype, self.device)
        self.batch_size = batch_size
        self._model = _load(name_or_folder, device=self.device, dtype=getattr(torch, dtype))
        self._memory: BoundedMemory[str, Tensor] = BoundedMemory(memory_size)
        self.dim: int = self._forward([""])[0].shape[0]

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return unit-length vectors [texts, dim], float32 on the CPU; each distinct text is encoded once.

        Raises:
            ValueError: If a vector is not finite.
        """
        vectors = self._memory.recall(texts, self._forward)
        return torch.stack(vectors) if vectors else torch.empty(0, self.dim)

    def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> Tensor:
        """Return the cosine of each original and its candidate, [rows].

        Raises:
            ValueError: If there are not as many of both.
        """
        if len(originals) != len(candidates):
            raise ValueError(f"expected as many originals as candidates, got {len(originals)} and {len(candidates)}")
        vectors = self.encode([*originals, *candidates])
        return (vectors[: len(originals)] * vectors[len(originals) :]).sum(dim=-1)

    @torch.no_grad()
    def _forward(self, texts: Sequence[str]) -> list[Tensor]:
        """Encode distinct texts."""
        vectors: list[Tensor] = [torch.empty(0)] * len(texts)
        model = self._model
        batches = token_batches(
            model.tokenizer,
            [text.lower() for text in texts] if model.is_lower_cased else texts,
            max_tokens=model.max_tokens,
            batch_size=self.batch_size,
            device=self.device,
        )
        for rows, batch in batches:
            pooled = model.pool(batch)[: len(rows)].float()
            unit = F.normalize(pooled, dim=-1).cpu()
            if not torch.isfinite(unit).all():
                row = rows[int((~torch.isfinite(unit)).any(dim=-1).nonzero()[0])]
                raise ValueError(f"expected finite sentence vectors, got others for {texts[row]!r}")
            for row, vector in zip(rows, unit, strict=True):
                vectors[row] = vector.clone()  # a view would keep its whole batch in memory
        return vectors


def _load(name_or_folder: str, *, device: torch.device, dtype: torch.dtype) -> _Model:
    """Return the model: from the folder, the local cache, or the hub."""

    def load(is_local: bool) -> _Model:
        layout = read_sentence_layout(name_or_folder, is_local=is_local)
        build = _library_model if layout.beyond else _transformers_model
        return build(name_or_folder, layout, is_local=is_local, device=device, dtype=dtype)

    return load_pretrained(name_or_folder, load, kind="a sentence encoder")


def _transformers_model(
    name_or_folder: str, layout: SentenceLayout, *, is_local: bool, device: torch.device, dtype: torch.dtype
) -> _Model:
    from transformers import AutoModel, AutoTokenizer

    options: dict[str, Any] = {
        "subfolder": layout.subfolder,
        "local_files_only": is_local,
        "trust_remote_code": False,
    }
    folder = Path(name_or_folder, layout.subfolder)
    if folder.is_dir():
        check_model_folder(folder)
    with reading_files("tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(name_or_folder, **options)
    # A missing pooling layer, unused here, is drawn at random.
    with torch.random.fork_rng(devices=[]), reading_files("model made from config.json and weights"):
        encoder, report = AutoModel.from_pretrained(
            name_or_folder, dtype=dtype, ignore_mismatched_sizes=True, output_loading_info=True, **options
        )
    check_weights(encoder, report, mend="take config.json and weights of the same model", unused="pooler")
    check_tokenizer(tokenizer, encoder)
    encoder = encoder.to(device).eval().requires_grad_(False)

    def pool(batch: Any) -> Tensor:
        states: Tensor = encoder(**batch).last_hidden_state.float()
        if layout.pooling == "cls":
            return states[:, 0]
        mask = batch["attention_mask"][..., None]
        mean: Tensor = torch.where(mask.bool(), states, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return mean

    limit = token_limit(tokenizer, encoder)
    return _Model(tokenizer, min(limit, layout.max_tokens or limit), layout.is_lower_cased, pool)


def _library_model(
    name_or_folder: str, layout: SentenceLayout, *, is_local: bool, device: torch.device, dtype: torch.dtype
) -> _Model:
    """Load with the library sentence-transformers; its tokenizer must be one of transformers."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError(
            f"expected the library sentence-transformers for {layout.beyond} of {name_or_folder}: "
            "`pip install sentence-transformers`, or take a model that is encoder, mean or cls pooling, normalisation"
        ) from error
    from transformers import PreTrainedTokenizerBase

    library = SentenceTransformer(name_or_folder, device=str(device), local_files_only=is_local).to(dtype).eval()
    if not isinstance(library.tokenizer, PreTrainedTokenizerBase):
        raise ValueError(f"expected a tokenizer of transformers, got {type(library.tokenizer).__name__}")

    def pool(batch: Any) -> Tensor:
        vectors: Tensor = library(dict(batch))["sentence_embedding"]
        return vectors

    limit = library.max_seq_length or library.tokenizer.model_max_length
    return _Model(library.tokenizer, int(limit), layout.is_lower_cased, pool)
