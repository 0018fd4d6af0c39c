"""Language models of transformers as parts of a module: built without files, measured, saved once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

__all__ = [
    "Family",
    "build_language_model",
    "check_positions",
    "fill_in_shared",
    "leave_out_shared",
    "on_cpu",
    "prefix_neighbours",
    "widths",
]

Family = Literal["causal", "seq2seq"]


@contextmanager
def on_cpu() -> Iterator[None]:
    """Build on the CPU whatever device is set, and put torch's global generator back."""
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        yield


def build_language_model(model_config: dict[str, Any]) -> Any:
    """Build a model of transformers, without a head, from its configuration alone: random weights, evaluation mode.

    Never on the meta device: what a module computes in its constructor and saves nowhere (such as the frequencies of
    rotary positions) would be lost there.  The global generator stays as it was.

    Raises:
        ValueError: If transformers knows no such model.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModel

    values = dict(model_config)
    model_type = str(values.pop("model_type", None))
    device = torch.empty(0).device
    with on_cpu():
        try:
            config = AutoConfig.for_model(model_type, **values)
            model = AutoModel.from_config(  # type: ignore[no-untyped-call]
                config, dtype=torch.float32, trust_remote_code=False
            )
        except (StrictDataclassError, TypeError, ValueError) as error:
            raise ValueError(f"expected a model_config that transformers knows, got {model_type!r}: {error}") from None
    return model.eval() if device.type == "meta" else model.to(device).eval()


def check_positions(model: Any, family: Family, *, num_prefix: int, num_tokens: int) -> None:
    """Check that prefix and tokens fit into the positions that the model has.

    Raises:
        ValueError: If they do not.
    """
    needed = num_prefix + num_tokens if family == "causal" else max(num_prefix, num_tokens)
    limit = getattr(model.config, "max_position_embeddings", None)  # none where positions are relative
    if limit is not None and 0 < limit < needed:
        raise ValueError(
            f"expected a model of at least {needed} positions, for {num_prefix} of the prefix and {num_tokens} pieces "
            f"of words, got one of {limit}: lower num_prefix, length or max_pieces"
        )


def prefix_neighbours(model: Any, family: Family) -> nn.Module:
    """Return the module whose vectors the prefix stands in for or beside, its scaling included."""
    part = model.get_encoder() if family == "seq2seq" else model
    embeddings: nn.Module = part.get_input_embeddings()
    return embeddings


@torch.no_grad()
def widths(model: Any, family: Family) -> tuple[int, int]:
    """Return the width of the model's inputs and that of its outputs, which a projection may make another."""
    with torch.device(model.device):
        token = torch.zeros(1, 1, dtype=torch.long)
        embedded = prefix_neighbours(model, family)(token)
        words = {"decoder_input_ids": token} if family == "seq2seq" else {}
        hidden = model(inputs_embeds=embedded, use_cache=False, **words).last_hidden_state
    return embedded.shape[-1], hidden.shape[-1]


def leave_out_shared(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    """Save shared embeddings once (hook of ``state_dict``): safetensors takes no two names of one tensor."""
    for name in _names_of_shared(module):
        del state[prefix + name]


def fill_in_shared(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Give shared embeddings all their names again (hook of ``load_state_dict``)."""
    for name, kept in _names_of_shared(module).items():
        if prefix + kept in state:
            state.setdefault(prefix + name, state[prefix + kept])


def _names_of_shared(module: nn.Module) -> dict[str, str]:
    """Map each further name of a parameter that has several to its first one."""
    first: dict[int, str] = {}
    names = ((name, first.setdefault(id(p), name)) for name, p in module.named_parameters(remove_duplicate=False))
    return {name: kept for name, kept in names if name != kept}
