"""SVHN's cropped digits from ``train_32x32.mat`` and ``test_32x32.mat``, and files written in the same format.

Netzer et al. 2011: ``X`` [32, 32, 3, n] holds height, width, RGB and image as bytes, ``y`` [n, 1] the digit, with 10
for the digit 0.  A further variable ``stand_in`` marks a file whose images are rendered.
"""

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from images_ext.data.images import DIGIT_NAMES, ImageSet
from textsem.runs.whole_files import write_whole

if TYPE_CHECKING:
    import numpy as np

__all__ = ["STAND_IN_NAME", "load_svhn", "svhn_file", "write_svhn"]

STAND_IN_NAME = "svhn stand-in"
_NAME = "svhn"
_MARKER = "stand_in"
_MARK = "rendered house numbers, not SVHN"
_SIDE = 32
_ZERO = 10
# What scipy's reader raises for bytes that are no MATLAB file, or only a part of one.
_READ_ERRORS = (OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, NotImplementedError, zlib.error)


def svhn_file(folder: str | Path, split: Literal["train", "test"]) -> Path:
    """Return where the file of a split lies.

    Raises:
        ValueError: If there is no such split.
    """
    if split not in ("train", "test"):
        raise ValueError(f"expected split train or test of svhn, got {split!r}")
    return Path(folder) / f"{split}_32x32.mat"


def load_svhn(folder: str | Path, split: Literal["train", "test"]) -> ImageSet:
    """Read one split of SVHN, or of its stand-in, which the set's name then says.

    Returns:
        Images [n, 3, 32, 32] in the order of the file.

    Raises:
        ValueError: If the file is missing, truncated or of another format, or a label is none from 1 to 10.
    """
    path = svhn_file(folder, split)
    content = _read(path)
    for variable in ("X", "y"):
        if variable not in content:
            raise ValueError(f"expected variables X and y in {path}, got no {variable}")
    pixels, labels = content["X"], content["y"]
    if pixels.dtype != "uint8" or pixels.ndim != 4 or pixels.shape[:3] != (_SIDE, _SIDE, 3):
        raise ValueError(
            f"expected X as uint8 of shape [32, 32, 3, n] in {path}, got {pixels.dtype} {list(pixels.shape)}"
        )
    num_images = pixels.shape[3]
    if labels.shape != (num_images, 1) or labels.dtype.kind not in "uif":
        raise ValueError(
            f"expected y as numbers of shape [{num_images}, 1] in {path}, got {labels.dtype} {list(labels.shape)}"
        )
    images = torch.from_numpy(pixels.transpose(3, 2, 0, 1).copy())
    name = STAND_IN_NAME if _MARKER in content else _NAME
    return ImageSet(images, _digits(labels[:, 0], path), DIGIT_NAMES, name, split)


def write_svhn(path: str | Path, images: ImageSet) -> None:
    """Write images and labels as SVHN's files have them, whole or not at all.

    A set with the stand-in's name is marked as such in the file.

    Args:
        path: The file, such as ``test_32x32.mat``; its folder must be there.
        images: Colour images of digits, 32 x 32.

    Raises:
        ValueError: If the images are no colour images of 32 x 32, or the classes are not the digits.
        OSError: If the file cannot be written.
    """
    import scipy.io

    if images.shape != (3, _SIDE, _SIDE) or images.label_names != DIGIT_NAMES:
        raise ValueError(f"expected digits of shape [n, 3, 32, 32], got {list(images.images.shape)}")
    labels = torch.where(images.labels == 0, _ZERO, images.labels).to(torch.uint8)
    content: dict[str, Any] = {
        "X": images.images.permute(2, 3, 1, 0).numpy(),
        "y": labels.unsqueeze(1).numpy(),
    }
    if images.name == STAND_IN_NAME:
        content[_MARKER] = _MARK
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content, do_compression=True)
    write_whole(Path(path), buffer.getvalue())


def _read(path: Path) -> Mapping[str, "np.ndarray"]:
    import scipy.io

    if not path.is_file():
        raise ValueError(f"expected SVHN's cropped digits at {path}, got no file")
    try:
        content: Mapping[str, np.ndarray] = scipy.io.loadmat(path, variable_names=["X", "y", _MARKER])
    except (scipy.io.matlab.MatReadError, *_READ_ERRORS) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"expected a whole MATLAB 5 file at {path}, got {reason}") from error
    return content


def _digits(labels: "np.ndarray", path: Path) -> Tensor:
    wrong = [(i, label) for i, label in enumerate(labels.tolist()) if label not in range(1, _ZERO + 1)]
    if wrong:
        place, label = wrong[0]
        raise ValueError(f"expected labels from 1 to 10 in {path}, 10 for the digit 0, got {label} at image {place}")
    return torch.from_numpy(labels.astype("int64")) % _ZERO
