"""First weights of networks: drawn from a generator of the caller's, never from torch's global one."""

import math
from typing import TypeVar

import torch
from torch import nn

__all__ = ["draw_layers", "materialise"]

Module = TypeVar("Module", bound=nn.Module)


def materialise(module: Module) -> Module:
    """Turn a module built on the meta device into one with zeros on the default device; return it.

    On the meta device torch's own initialisation draws nothing from the global generator.  What was built elsewhere
    keeps its buffers, such as the frequencies of rotary positions, which no file holds, and its shared parameters.
    """
    device = torch.get_default_device()
    for part in module.modules():
        tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        if any(tensor.is_meta for tensor in tensors):
            part.to_empty(device=device, recurse=False)
            for buffer in part.buffers(recurse=False):
                buffer.zero_()
    module.to(device)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def draw_layers(module: nn.Module, generator: torch.Generator) -> None:
    """Draw weights and biases as torch does by itself, uniform within 1 / sqrt(fan in), but from a generator."""
    for layer in module.modules():
        if isinstance(layer, nn.GroupNorm | nn.LayerNorm):
            for weight, value in ((layer.weight, 1.0), (layer.bias, 0.0)):
                if weight is not None:
                    nn.init.constant_(weight, value)
        elif isinstance(layer, nn.RNNBase):
            for weight in layer.parameters():
                nn.init.uniform_(
                    weight, -1 / math.sqrt(layer.hidden_size), 1 / math.sqrt(layer.hidden_size), generator=generator
                )
        elif isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
