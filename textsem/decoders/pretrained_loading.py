"""Pre-trained language models: built from a plain configuration, or loaded with weights and tokenizer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import Tensor

from textsem.text.pretrained import load_pretrained

__all__ = ["Family", "LanguageModelSource", "build_language_model", "load_language_model"]

Family = Literal["causal", "seq2seq"]

_KIND = "a causal or sequence-to-sequence model with its tokenizer"
# What says nothing about the architecture: where it lay, who wrote it, for which task.
_NOT_ARCHITECTURE = frozenset(
    ("_name_or_path", "architectures", "auto_map", "dtype", "id2label", "label2id", "problem_type", "torch_dtype")
    + ("finetuning_task", "task_specific_params", "transformers_version")
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


def build_language_model(model_config: dict[str, Any]) -> Any:
    """Build a model of transformers, without a head, from its configuration alone: random weights, evaluation mode.

    Never on the meta device: what a module computes in its constructor and saves nowhere (such as the frequencies of
    rotary positions) would be lost there.  The global generator stays as it was.

    Raises:
        ValueError: If transformers knows no such model.
    """
    from transformers import AutoConfig, AutoModel

    values = dict(model_config)
    model_type = str(values.pop("model_type", None))
    device = torch.empty(0).device
    with _on_cpu():
        try:
            config = AutoConfig.for_model(model_type, **values)
            model = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected a model_config that transformers knows, got {model_type!r}: {error}") from None
    return model.eval() if device.type == "meta" else model.to(device).eval()


def load_language_model(
    name_or_folder: str, *, revision: str | None, token: str | None, local_files_only: bool
) -> LanguageModelSource:
    """Load model and tokenizer from a folder, the local cache or the hub: no code from there, no pickle.

    Raises:
        ValueError: If there is none that can be used; the message says what to mend.
    """

    def load(is_local: bool) -> LanguageModelSource:
        if not is_local and local_files_only:
            raise ValueError("not in the local cache, and local_files_only is set")
        return _load(name_or_folder, revision=revision, token=token, local_files_only=is_local)

    return load_pretrained(name_or_folder, load, kind=_KIND)


def _load(name_or_folder: str, **where: Any) -> LanguageModelSource:
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    _check_folder(Path(name_or_folder))
    config = AutoConfig.from_pretrained(name_or_folder, **where)
    with _on_cpu():
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
            raise ValueError(f"weights that do not fit the config: {error}") from error
    if report["missing_keys"]:
        raise ValueError(f"weights are missing for {', '.join(sorted(report['missing_keys'])[:3])}")
    family: Family = "seq2seq" if config.is_encoder_decoder else "causal"
    if family == "causal" and _looks_ahead(model.eval()):
        raise ValueError(
            f"the model ({config.model_type}) is an encoder, whose words see those behind them; take a causal or a "
            "sequence-to-sequence one"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_folder, **where)
    except (ImportError, ValueError, OSError) as error:
        raise ValueError(
            "the tokenizer cannot be read; save it as tokenizer.json with transformers, or, for a .model file of "
            f"sentencepiece, install sentencepiece and protobuf: {error}"
        ) from error
    _check_tokenizer(tokenizer, model.get_input_embeddings().num_embeddings)
    start_id = _start_id(tokenizer, config, family)
    return LanguageModelSource(model.eval(), tokenizer, family, _plain(config), start_id)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    if any(name.endswith(".safetensors") for name in names):
        return
    pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if pickles:
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
    return not torch.allclose(first[0], first[1], atol=1e-6)


def _plain(config: Any) -> dict[str, Any]:
    """Return a configuration of transformers as JSON types, without what says nothing about the architecture."""
    values: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return {name: value for name, value in values.items() if name not in _NOT_ARCHITECTURE}


@contextmanager
def _on_cpu() -> Iterator[None]:
    """Build on the CPU whatever device is set, and put torch's global generator back."""
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        yield
