"""What the files of a sentence-transformers model say about how words become a sentence's vector."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["SentenceLayout", "read_sentence_layout"]

_KNOWN_MODULES = {"Transformer", "Pooling", "Normalize"}
_OLD_POOLING_KEY = "pooling_mode_"  # one boolean a mode, before there was one key `pooling_mode`
_OLD_POOLING_NAMES = {"cls_token": "cls", "mean_tokens": "mean"}


@dataclass(frozen=True)
class SentenceLayout:
    """How a model is read, from its ``modules.json`` and the files of its modules.

    Args:
        subfolder: Where encoder and tokenizer are, inside the model's folder.
        pooling: What makes one vector of the words' vectors.
        max_tokens: Longer sentences are cut here; None for the encoder's own limit.
        is_lower_cased: Whether the text is lower-cased before the tokenizer sees it.
        beyond: What transformers alone cannot do, in words; empty where it can do all.
    """

    subfolder: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: int | None = None
    is_lower_cased: bool = False
    beyond: str = ""


def read_sentence_layout(name_or_folder: str, *, is_local: bool) -> SentenceLayout:
    """Read how a model is put together; without ``modules.json`` it is a plain encoder, mean-pooled.

    Raises:
        OSError: If a hub id's files cannot be had (where ``is_local``: are not in the cache).
        ValueError: If the model puts a prompt before every sentence, or its files are no JSON.
    """
    modules = _read_json(name_or_folder, "modules.json", is_local=is_local)
    if modules is None:
        return SentenceLayout()
    settings = _read_json(name_or_folder, "config_sentence_transformers.json", is_local=is_local) or {}
    if settings.get("default_prompt_name"):
        raise ValueError(f"expected a model without a default prompt, got {settings['default_prompt_name']!r}")
    subfolder = str(modules[0]["path"])
    path = f"{subfolder}/sentence_bert_config.json".lstrip("/")
    limits = _read_json(name_or_folder, path, is_local=is_local) or {}
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    modes = ["mean"]
    beyond = _beyond_transformers(kinds)
    if not beyond:
        config = _read_json(name_or_folder, f"{modules[1]['path']}/config.json", is_local=is_local) or {}
        modes = _pooling_modes(config)
        beyond = "" if modes in (["mean"], ["cls"]) else f"pooling {' and '.join(modes)}"
    return SentenceLayout(
        subfolder=subfolder,
        pooling="cls" if modes == ["cls"] else "mean",
        max_tokens=limits.get("max_seq_length"),
        is_lower_cased=bool(limits.get("do_lower_case", False)),
        beyond=beyond,
    )


def _beyond_transformers(kinds: list[str]) -> str:
    """Return which module transformers alone cannot do; empty where it can do all."""
    unknown = [kind for kind in kinds if kind not in _KNOWN_MODULES]
    if unknown:
        return f"module {unknown[0]}"
    is_usual = kinds[:2] == ["Transformer", "Pooling"] and set(kinds[2:]) <= {"Normalize"}
    return "" if is_usual else f"modules {', '.join(kinds)} in this order"


def _pooling_modes(config: dict[str, Any]) -> list[str]:
    """Return the names of the poolings whose results stand beside each other; mean where the file names none."""
    if "pooling_mode" in config:
        modes = config["pooling_mode"]
        return [modes] if isinstance(modes, str) else [str(mode) for mode in modes]
    switches = {
        key.removeprefix(_OLD_POOLING_KEY): on for key, on in config.items() if key.startswith(_OLD_POOLING_KEY)
    }
    return [_OLD_POOLING_NAMES.get(mode, mode) for mode, is_on in switches.items() if is_on] or ["mean"]


def _read_json(name_or_folder: str, path: str, *, is_local: bool) -> Any:
    """Return a file's content, None where the model has no such file.

    Of a hub id that transformers loaded before, the cache may hold the encoder and not this file: then it is not known
    whether there is one, and taking it for absent would choose a wrong pooling without a word.
    """
    file = Path(name_or_folder) / path
    if not Path(name_or_folder).is_dir():
        found = _cached(name_or_folder, path) if is_local else _downloaded(name_or_folder, path)
        if found is None:
            return None
        file = found
    elif not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON in {file}, got {error}") from error


def _cached(name: str, path: str) -> Path | None:
    """Return where the cache has the file, None where the cache knows that the hub has none."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, path)
    if found is None:
        raise FileNotFoundError(f"{path} of {name} is not in the local cache")
    return Path(found) if isinstance(found, str) else None


def _downloaded(name: str, path: str) -> Path | None:
    """Return where the file is after asking the hub, None where the hub has none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, path))
    except LocalEntryNotFoundError:  # a special case of the next, but it means that the hub could not be asked
        raise
    except EntryNotFoundError:
        return None
