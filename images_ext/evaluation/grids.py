"""Images as PNG: one by one for a page, and as a sheet in the manner of Tables 5 to 7 of the paper."""

import base64
import io
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["difference_image", "draw_places", "encode_png", "png_uri", "sheet"]

GAP = 4  # pixels of the sheet between two images, half of them frame
PAPER = 255
FRAME = (200, 30, 30)  # the red boxes of Tables 5 to 7


def encode_png(image: Tensor) -> bytes:
    """Return one image as a PNG file, every pixel as it is.

    Args:
        image: Bytes 0 to 255, [channels, height, width]; one grey channel or three of RGB.

    Raises:
        ValueError: If the type or the shape is another one.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"expected an image of uint8 [1 or 3, height, width], got {image.dtype} {list(image.shape)}")
    from PIL import Image

    pixels = image[0] if image.shape[0] == 1 else image.movedim(0, -1)
    buffer = io.BytesIO()
    Image.fromarray(pixels.contiguous().cpu().numpy()).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def png_uri(image: Tensor) -> str:
    """Return one image, [channels, height, width] of uint8, as a data URI that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(encode_png(image)).decode("ascii")


def difference_image(image: Tensor, changed: Tensor) -> Tensor:
    """Return x' - x as an image: mid-grey where nothing changed, at half its size, so that nothing is cut off.

    Args:
        image: x, uint8 [channels, height, width].
        changed: x', same shape.
    """
    return (128 + torch.div(changed.int() - image.int(), 2, rounding_mode="trunc")).to(torch.uint8)


def draw_places(places: Sequence[int], *, most: int, seed: int) -> list[int]:
    """Choose some places by the seed alone, in rising order: nobody picks what is shown."""
    generator = torch.Generator().manual_seed(seed)
    return sorted(places[i] for i in torch.randperm(len(places), generator=generator)[:most].tolist())


def sheet(rows: Sequence[Tensor], *, framed: Sequence[int] = (), scale: int = 1) -> Tensor:
    """Put images side by side and rows of them below each other, in colour, on white.

    Args:
        rows: Each uint8 [columns, channels, height, width], all of one shape.
        framed: Which rows stand in red boxes.
        scale: Every pixel becomes a square of this side.

    Returns:
        uint8 [3, sheet height, sheet width].

    Raises:
        ValueError: If there is no row, or rows differ in shape.
    """
    if not rows or len({tuple(row.shape) for row in rows}) > 1 or rows[0].ndim != 4:
        raise ValueError(f"expected rows of one shape [columns, channels, height, width], got {[*map(_shape, rows)]}")
    columns, _, height, width = rows[0].shape
    step_y, step_x = height * scale + GAP, width * scale + GAP
    paper = torch.full((3, step_y * len(rows) + GAP, step_x * columns + GAP), PAPER, dtype=torch.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = GAP + i * step_y, GAP + j * step_x
            if i in framed:
                reach = GAP // 2
                box = (
                    slice(top - reach, top + height * scale + reach),
                    slice(left - reach, left + width * scale + reach),
                )
                paper[:, *box] = torch.tensor(FRAME, dtype=torch.uint8)[:, None, None]
            large = image.repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
            paper[:, top : top + height * scale, left : left + width * scale] = large.expand(3, -1, -1)
    return paper


def _shape(row: Tensor) -> list[int]:
    return list(row.shape)
