"""Are the files of a pre-trained model whole, and do they belong together?

transformers draws at random what a weights file lacks, leaves out what the config has no place for, and makes an empty
tokenizer where there is none.  Such a model answers, and every figure about it is wrong.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textsem.text.pretrained import BrokenFilesError

__all__ = ["check_model_folder", "check_tokenizer", "check_weights", "reading_files"]

_AGAIN = "copy it anew from where the model came from"
_NUM_SHOWN = 3  # weights that a message names
_MAX_REASON_LENGTH = 200


def check_model_folder(folder: Path) -> None:
    """Say in plain words what a folder lacks.

    Raises:
        BrokenFilesError: If it has no config, weights or tokenizer, or the config does not say what the model is.
    """
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise BrokenFilesError(f"no config.json; {_AGAIN}, or name the folder that save_pretrained wrote")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BrokenFilesError(f"config.json is no JSON ({error}); {_AGAIN}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise BrokenFilesError(f"config.json does not name its model_type; {_AGAIN}")
    if not any(name.endswith((".safetensors", ".bin")) for name in names):
        raise BrokenFilesError(f"no weights, which are in model.safetensors; {_AGAIN}")
    if not any("token" in name or "vocab" in name or name.endswith(".model") for name in names):
        raise BrokenFilesError("no tokenizer; save the model's own there with tokenizer.save_pretrained")
    if "tokenizer.json" in names and "tokenizer_config.json" not in names:
        raise BrokenFilesError(f"no tokenizer_config.json, which says how to read tokenizer.json; {_AGAIN}")


def check_weights(model: Any, report: Mapping[str, Any], *, mend: str, unused: str | None = None) -> None:
    """Make sure that each weight has its place, and each place its weight.

    Args:
        model: Of transformers, loaded with ``ignore_mismatched_sizes``: they are refused here, by name.
        report: What ``output_loading_info`` gave with it.
        mend: What to do about it, for the message.
        unused: Part of the names of weights that may be missing, since nothing reads them.

    Raises:
        BrokenFilesError: If a weight has another shape, is missing, or belongs to a layer that the config has not.
    """
    mismatched = sorted(report["mismatched_keys"])
    if mismatched:
        key, found, wanted = mismatched[0][:3]
        raise BrokenFilesError(
            f"the weights do not fit config.json: {len(mismatched)} have another shape, as {key}: {list(found)}, where "
            f"the config makes {list(wanted)}; {mend}"
        )
    if missing := sorted(key for key in report["missing_keys"] if unused is None or unused not in key):
        raise BrokenFilesError(
            f"{len(missing)} weights are missing, as {', '.join(missing[:_NUM_SHOWN])}: drawn at random, they would "
            f"make any figure meaningless; {mend}"
        )
    # Heads of other tasks are often left in a file, and do no harm; a layer too many is another model's.
    known = {_form(key) for key in model.state_dict()}
    if extra := sorted(key for key in report["unexpected_keys"] if _form(key) in known):
        raise BrokenFilesError(
            f"the weights have layers that config.json does not, as {', '.join(extra[:_NUM_SHOWN])}; {mend}"
        )


def check_tokenizer(tokenizer: Any, model: Any) -> None:
    """Make sure that a tokenizer has words, a pad token, and no more tokens than the model.

    Raises:
        BrokenFilesError: If it has no pad token, or is another model's.
        ValueError: If it has no words: a cache may have the model alone, and the hub still have the tokenizer.
    """
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
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


@contextmanager
def reading_files(what: str) -> Iterator[None]:
    """Turn what files of no use lead to into ``BrokenFilesError``; OSError is left, for a file that is not there.

    Args:
        what: What the files should give, for the message.
    """
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


def _form(key: str) -> str:
    """Return a weight's name without the numbers of layers."""
    return re.sub(r"\d+", "#", key)


def _num_embeddings(model: Any) -> int | None:
    """Return the rows of the model's table of tokens; None if it has another kind of input."""
    try:
        return getattr(model.get_input_embeddings(), "num_embeddings", None)
    except NotImplementedError:
        return None
