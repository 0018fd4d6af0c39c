"""A sequence classifier of transformers with its tokenizer: loaded as it was saved, or refused."""

from pathlib import Path
from typing import Any

import torch

from textsem.text.pretrained import load_pretrained
from textsem.text.pretrained_files import check_model_folder, check_tokenizer, check_weights, reading_files

__all__ = ["load_classifier"]

_MEND = "take config.json and weights of the same model, one that was trained on entailment"


def load_classifier(name_or_folder: str, *, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return tokenizer and model: from the folder, the local cache, or the hub; no code from there is run.

    Args:
        name_or_folder: A folder or a hub id.
        dtype: Of the weights.

    Raises:
        ValueError: If a file is missing, broken or does not fit the others; the message names it and the mend.
    """

    def load(is_local: bool) -> tuple[Any, Any]:
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        where = {"local_files_only": is_local, "trust_remote_code": False}
        if Path(name_or_folder).is_dir():
            check_model_folder(Path(name_or_folder))
        with reading_files("config that transformers can read"):
            config = AutoConfig.from_pretrained(name_or_folder, **where)
        with reading_files("model made from config.json and weights"):
            model, report = AutoModelForSequenceClassification.from_pretrained(
                name_or_folder,
                config=config,
                dtype=dtype,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **where,
            )
        check_weights(model, report, mend=_MEND)
        with reading_files("tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(name_or_folder, **where)
        check_tokenizer(tokenizer, model)
        return tokenizer, model

    return load_pretrained(name_or_folder, load, kind="a sequence classifier")
