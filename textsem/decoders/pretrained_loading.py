"""Pre-trained language models as they are found: weights, tokenizer, and what makes one of no use here."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from textsem.decoders.pretrained_model import Family, on_cpu
from textsem.text.pretrained import load_pretrained

__all__ = ["LanguageModelSource", "load_language_model"]

_KIND = "a causal or sequence-to-sequence model with its tokenizer"
# What says nothing about the architecture: where it lay, who wrote it, for which task.
_NOT_ARCHITECTURE = frozenset(
    "_name_or_path architectures auto_map dtype finetuning_task id2label label2id problem_type task_specific_params "
    "torch_dtype transformers_version".split()
)


@dataclass(frozen=True)
class LanguageModelSource:
    """A language model as it was found.

    Args:
        model: Of transformers, without a head, in evaluation mode, float32.
        tokenizer: Of transformers, with pad and end token.
        family: What kind of model it is.
        model_config: Its configuration in plain JSON types.
        start_id: Token that it reads before the first word.
    """

    model: Any
    tokenizer: Any
    family: Family
    model_config: dict[str, Any]
    start_id: int


def load_language_model(
    name_or_folder: str, *, revision: str | None, token: str | None, local_files_only: bool
) -> LanguageModelSource:
    """Load model and tokenizer from a folder, the local cache or the hub: no code from there, no pickle.

    Raises:
        ValueError: If there is none that can be used; the message says what to mend.
    """

    def load(is_local: bool) -> tuple[Any, Any, set[str]]:
        if not is_local and local_files_only:
            raise ValueError("it is not in the local cache, and local_files_only is set")
        return _load(name_or_folder, revision=revision, token=token, local_files_only=is_local)

    model, tokenizer, missing = load_pretrained(name_or_folder, load, kind=_KIND)
    family = _family(model.config)
    try:
        if family == "causal" and _looks_ahead(model):
            raise ValueError("the model is an encoder, whose words see those behind them")
        if missing:
            raise ValueError(f"weights are missing for {', '.join(sorted(missing)[:3])}")
        _check_tokenizer(tokenizer, model.get_input_embeddings().num_embeddings)
    except ValueError as error:
        raise ValueError(f"expected {_KIND} in {name_or_folder}: {error}") from None
    return LanguageModelSource(
        model, tokenizer, family, _plain(model.config), _start_id(tokenizer, model.config, family)
    )


def _load(name_or_folder: str, **where: Any) -> tuple[Any, Any, set[str]]:
    """Return the model, its tokenizer, and the weights that its files lack."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    where["trust_remote_code"] = False  # left open, transformers asks on the terminal whether to run it
    try:
        config = AutoConfig.from_pretrained(name_or_folder, **where)
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ValueError("the model comes with code of its own, which is never run") from error
    _family(config)
    _check_files(Path(name_or_folder))
    with on_cpu():
        try:
            model, report = AutoModel.from_pretrained(
                name_or_folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **where,
            )
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(f"the weights do not fit the config: {error}") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_folder, **where)
    except (ImportError, OSError, ValueError) as error:
        raise ValueError(
            "the tokenizer is missing or cannot be read; save it there as tokenizer.json, or, to read a .model file of "
            f"sentencepiece, install sentencepiece and protobuf: {error}"
        ) from error
    return model.eval(), tokenizer, report["missing_keys"]


def _family(config: Any) -> Family:
    from transformers.models.auto import modeling_auto

    if config.is_encoder_decoder and config.model_type in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "seq2seq"
    if not config.is_encoder_decoder and config.model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    raise ValueError(f"the model is of type {config.model_type}, which writes no text")


def _check_files(folder: Path) -> None:
    """Name what a folder lacks in plainer words than transformers, which makes an empty tokenizer of nothing."""
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    if not any("tokenizer" in name or "vocab" in name or name.endswith(".model") for name in names):
        raise ValueError("no tokenizer; save the model's own there with tokenizer.save_pretrained")
    if any(name.endswith(".safetensors") for name in names):
        return
    if pickles := [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]:
        raise ValueError(
            f"no weights as safetensors, only {', '.join(pickles)}, a pickle, which can run code and is never read; "
            "where you trust it, load it with transformers and save it anew with save_pretrained"
        )
    raise ValueError("no weights, which are files named *.safetensors")


def _check_tokenizer(tokenizer: Any, num_embeddings: int) -> None:
    for name, id_ in (("pad", tokenizer.pad_token_id), ("end", tokenizer.eos_token_id)):
        attribute = {"pad": "pad_token", "end": "eos_token"}[name]
        if id_ is None:
            example = "its end token (tokenizer.eos_token)" if name == "pad" else "the token that ends a text"
            raise ValueError(
                f"the tokenizer has no {name} token; set tokenizer.{attribute}, for example to {example}, and save it "
                "there with tokenizer.save_pretrained"
            )
    # Models often have a few more rows than tokens, to make their number even: that is no fault.
    if len(tokenizer) > num_embeddings:
        raise ValueError(
            f"tokenizer and model do not belong together: the tokenizer has {len(tokenizer):,} tokens, the model "
            f"embeddings of {num_embeddings:,}; take the model's own tokenizer, or call model.resize_token_embeddings "
            "after adding tokens"
        )


def _start_id(tokenizer: Any, config: Any, family: Family) -> int:
    """Return the token before the first word: bos or else eos; of a sequence-to-sequence model what its config says."""
    if family == "seq2seq":
        start = getattr(config, "decoder_start_token_id", None)
        return int(tokenizer.pad_token_id if start is None else start)  # T5 starts with its pad token
    return int(tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id)


@torch.no_grad()
def _looks_ahead(model: Any) -> bool:
    """Tell whether the first position of a model changes with the second one's input."""
    embeddings: Tensor = model.get_input_embeddings().weight[:3]
    inputs = torch.stack([embeddings[:2], embeddings[[0, 2]]])
    first = model(inputs_embeds=inputs, attention_mask=torch.ones(2, 2), use_cache=False).last_hidden_state[:, 0]
    return not torch.allclose(first[0], first[1], atol=1e-5)


def _plain(config: Any) -> dict[str, Any]:
    """Return a configuration of transformers as JSON types, without what says nothing about the architecture."""
    values: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return {name: value for name, value in values.items() if name not in _NOT_ARCHITECTURE}
