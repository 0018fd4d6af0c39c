"""What may be sent to a target of images, and what it may answer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from textsem.protocols import TargetError

__all__ = ["check_label_names", "check_logits", "check_pixels", "check_probabilities"]

# Rows of float16 or of a long sum may miss 1 by this much.
SUM_TOLERANCE = 1e-3


def check_label_names(label_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as a tuple.

    Raises:
        ValueError: If there are fewer than two, or one stands twice.
    """
    names = tuple(label_names)
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(f"expected two or more different label names, got {', '.join(names) or 'none'}")
    return names


def check_pixels(pixels: Tensor) -> None:
    """Raise unless pixels are float in [0, 1], [batch, channels, height, width].

    Raises:
        ValueError: If the shape or type is another, or at the first row with a value outside or a NaN, by its number.
    """
    if pixels.ndim != 4 or not pixels.is_floating_point():
        raise ValueError(
            f"expected float pixels of shape [batch, channels, height, width], got {pixels.dtype} {list(pixels.shape)}"
        )
    # A NaN is neither >= 0 nor <= 1, so one comparison finds it too.
    is_good = ((pixels >= 0) & (pixels <= 1)).flatten(1).all(dim=1)
    if not bool(is_good.all()):
        row = int((~is_good).nonzero()[0])
        low, high = pixels[row].min(), pixels[row].max()
        raise ValueError(f"expected pixels in [0, 1], got {float(low):.4g} to {float(high):.4g} in row {row}")


def check_logits(logits: Tensor, *, num_rows: int, label_names: Sequence[str]) -> Tensor:
    """Return logits if they are finite and of shape [num_rows, classes].

    Raises:
        TargetError: If rows or classes are of another number: no image will do better.
        ValueError: If a row is not finite; names the first.
    """
    if not isinstance(logits, Tensor) or logits.shape != (num_rows, len(label_names)):
        shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise TargetError(
            f"expected an answer of shape [{num_rows}, {len(label_names)}] for the classes "
            f"{', '.join(label_names)}, got {shape}"
        )
    _check_finite(logits, label_names)
    return logits


def check_probabilities(answer: Tensor, *, num_rows: int, label_names: Sequence[str]) -> Tensor:
    """Return probabilities [num_rows, classes] as float32 on the CPU, detached.

    Raises:
        TargetError: If rows or classes are of another number.
        ValueError: If a row is not finite, negative, or does not sum to 1; names the first.
    """
    answer = check_logits(answer, num_rows=num_rows, label_names=label_names).detach().float().cpu()
    is_wrong = (answer < 0).any(dim=1) | ((answer.sum(dim=1) - 1.0).abs() > SUM_TOLERANCE)
    if bool(is_wrong.any()):
        row = int(is_wrong.nonzero()[0])
        raise ValueError(f"expected probabilities that sum to 1, got {_shown(answer[row])} in row {row}")
    return answer


def _check_finite(answer: Tensor, label_names: Sequence[str]) -> None:
    is_wrong = ~torch.isfinite(answer.detach()).all(dim=1)
    if bool(is_wrong.any()):
        row = int(is_wrong.nonzero()[0])
        raise ValueError(f"expected finite answers of the target, got {_shown(answer[row])} in row {row}")


def _shown(row: Tensor) -> list[float]:
    return [round(float(value), 4) for value in row.detach()]
