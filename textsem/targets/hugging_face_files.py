"""A sequence classifier of transformers with its tokenizer: loaded as it was saved, or refused.

transformers draws at random what a weights file lacks, leaves out what the config has no place for, and makes an empty
tokenizer where there is none.  Such a classifier answers, and every figure about it is wrong.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from textsem.text.pretrained import BrokenFilesError, load_pretrained

__all__ = ["load_classifier"]

_AGAIN = "copy it anew from where the model came from"
_NUM_SHOWN = 3  # weights that a message names
_MAX_REASON_LENGTH = 200


def load_classifier(name_or_folder: str, *, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return tokenizer and model: from the folder, the local cache, or the hub; no code from there is run.

    Args:
        name_or_folder: A folder or a hub id.
        dtype: Of the weights.

    Raises:
        ValueError: If a file is missing, broken or does not fit the others; the message names it and the mend.
    """

    def load(is_local: bool) -> tuple[Any, Any]:
        where = {"local_files_only": is_local, "trust_remote_code": False}
        if Path(name_or_folder).is_dir():
            _check_folder(Path(name_or_folder))
        config = _config(name_or_folder, where)
        model = _model(name_or_folder, config, dtype, where)
        return _tokenizer(name_or_folder, model, where), model

    return load_pretrained(name_or_folder, load, kind="a sequence classifier")


def _check_folder(folder: Path) -> None:
    """Say in plain words what a folder lacks."""
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise BrokenFilesError(f"no config.json; {_AGAIN}, or name the folder that save_pretrained wrote")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BrokenFilesError(f"config.json is no JSON ({error}); {_AGAIN}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise BrokenFilesError(f"config.json does not name its model_type; {_AGAIN}")
    if not any(name.endswith((".safetensors", ".bin")) for name in names):
        raise BrokenFilesError(f"no weights, which are in model.safetensors; {_AGAIN}")
    if not any("token" in name or "vocab" in name or name.endswith(".model") for name in names):
        raise BrokenFilesError("no tokenizer; save the model's own there with tokenizer.save_pretrained")
    if "tokenizer.json" in names and "tokenizer_config.json" not in names:
        raise BrokenFilesError(f"no tokenizer_config.json, which says how to read tokenizer.json; {_AGAIN}")


def _config(name: str, where: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig

    with _reading("config that transformers can read"):
        return AutoConfig.from_pretrained(name, **where)


def _model(name: str, config: Any, dtype: torch.dtype, where: Mapping[str, Any]) -> Any:
    """Load the weights and make sure that each has its place, and each place its weight."""
    from transformers import AutoModelForSequenceClassification

    with _reading("model made from config.json and weights"):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            name,
            config=config,
            dtype=dtype,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
            **where,
        )
    mend = "take config.json and weights of the same model, one that was trained on entailment"
    mismatched = sorted(report["mismatched_keys"])
    if mismatched:
        key, found, wanted = mismatched[0][:3]
        raise BrokenFilesError(
            f"the weights do not fit config.json: {len(mismatched)} have another shape, as {key}: {list(found)}, where "
            f"the config makes {list(wanted)}; {mend}"
        )
    if missing := sorted(report["missing_keys"]):
        raise BrokenFilesError(
            f"{len(missing)} weights are missing, as {', '.join(missing[:_NUM_SHOWN])}: drawn at random, they would "
            f"make any figure meaningless; {mend}"
        )
    # Heads of other tasks are often left in a file, and do no harm; a layer too many is another model's.
    shapes = {_form(key) for key in model.state_dict()}
    if extra := sorted(key for key in report["unexpected_keys"] if _form(key) in shapes):
        raise BrokenFilesError(
            f"the weights have layers that config.json does not, as {', '.join(extra[:_NUM_SHOWN])}; {mend}"
        )
    return model


def _form(key: str) -> str:
    """Return a weight's name without the numbers of layers."""
    return re.sub(r"\d+", "#", key)


def _tokenizer(name: str, model: Any, where: Mapping[str, Any]) -> Any:
    from transformers import AutoTokenizer

    with _reading("tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(name, **where)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        # In a cache that has the model alone, the hub may still have it: no BrokenFilesError.
        raise ValueError("the tokenizer has no words; save the model's own there with tokenizer.save_pretrained")
    if tokenizer.pad_token_id is None:
        raise BrokenFilesError(
            "the tokenizer has no pad token; set tokenizer.pad_token, and model.config.pad_token_id likewise, and save "
            "both there with save_pretrained"
        )
    # Special tokens beyond the table that no text has do no harm.
    ids, rows = max(tokenizer.vocab_size, tokenizer.pad_token_id + 1), _num_embeddings(model)
    if rows is not None and ids > rows:
        raise BrokenFilesError(
            f"tokenizer and model do not belong together: the tokenizer has {ids:,} tokens, the model embeddings of "
            f"{rows:,}; take the model's own tokenizer"
        )
    return tokenizer


def _num_embeddings(model: Any) -> int | None:
    """Return the rows of the model's table of tokens; None if it has another kind of input."""
    try:
        return getattr(model.get_input_embeddings(), "num_embeddings", None)
    except NotImplementedError:
        return None


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn what files of no use lead to into one kind of error; OSError is left, for a file that is not there."""
    from safetensors import SafetensorError

    try:
        yield
    except OSError:
        raise
    except SafetensorError as error:
        raise BrokenFilesError(f"the file of weights (*.safetensors) is broken ({error}); {_AGAIN}") from error
    except Exception as error:  # transformers checks little, and tokenizers raises just this
        reason = " ".join(str(error).split())[:_MAX_REASON_LENGTH]
        raise BrokenFilesError(f"no {what} ({type(error).__name__}: {reason}); {_AGAIN}") from error
