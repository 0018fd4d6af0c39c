"""The two files of a saved model that text and images write alike: weights in safetensors, a config of plain types."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

__all__ = ["cast", "config_from_plain", "read_weights", "write_weights"]

Config = TypeVar("Config")


def cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Return floating-point numbers in ``dtype``, whole numbers as they are."""
    return value.to(dtype) if value.is_floating_point() else value


def write_weights(path: Path, tensors: Mapping[str, Tensor], *, dtype: torch.dtype) -> None:
    """Write tensors by name as safetensors, numbers as ``dtype``."""
    plain = {name: cast(value.detach(), dtype).contiguous() for name, value in tensors.items()}
    save_file(plain, path, metadata={"format": "pt"})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, numbers as float32.

    Raises:
        ValueError: If the file is truncated or none.
    """
    try:
        return {name: cast(value, torch.float32) for name, value in load_file(path).items()}
    except SafetensorError as error:
        raise ValueError(f"expected the weights of this config in {path}: {error}") from None


def config_from_plain(kind: Callable[..., Config], values: Mapping[str, Any], parts: Mapping[str, type]) -> Config:
    """Rebuild a config of configs from JSON types, in which tuples are lists.

    Args:
        kind: The config's class, a dataclass.
        values: Its fields, parts as mappings.
        parts: Class of each field that is a config itself.

    Raises:
        KeyError: If a part is missing.
        TypeError: If another key is missing or unknown.
        AttributeError: If a part is no mapping.
    """
    made = {name: part(**_tuples(values[name])) for name, part in parts.items()}
    return kind(**_tuples({name: value for name, value in values.items() if name not in parts}), **made)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
