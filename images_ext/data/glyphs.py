"""Masks of the digits 0 to 9 in the fonts that matplotlib ships."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["CELL_HEIGHTS", "Glyphs", "render_glyphs"]

CELL_HEIGHTS = 1.6
_CELL = 96
_FONT_SIZE = 80
# File name, and by how much of a digit's height its strokes grow to each side: house numbers are seldom thin.
_FONTS = (
    ("DejaVuSans.ttf", 0.0),
    ("DejaVuSans.ttf", 0.03),
    ("DejaVuSans-Bold.ttf", 0.0),
    ("DejaVuSans-Oblique.ttf", 0.015),
    ("DejaVuSans-Bold.ttf", 0.02),
    ("DejaVuSans-BoldOblique.ttf", 0.0),
    ("DejaVuSerif.ttf", 0.015),
    ("DejaVuSerif-Bold.ttf", 0.0),
    ("DejaVuSerif-BoldItalic.ttf", 0.0),
    ("STIXGeneral.ttf", 0.015),
    ("STIXGeneralBol.ttf", 0.0),
    ("STIXGeneralBolIta.ttf", 0.0),
    ("cmss10.ttf", 0.015),
    ("cmss10.ttf", 0.04),
    ("cmb10.ttf", 0.0),
    ("cmtt10.ttf", 0.02),
)


@dataclass(frozen=True, eq=False)
class Glyphs:
    """Hold masks of digits, each in the middle of a square cell.

    Args:
        masks: Ink from 0 to 1, [fonts, digits, cell, cell]; the cell's side is CELL_HEIGHTS times the digit's height.
        widths: Width of the ink by its height, [fonts, digits].
    """

    masks: Tensor
    widths: Tensor


def render_glyphs() -> Glyphs:
    """Render every digit in every font and weight; the same bytes with the same pillow and matplotlib."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    cells = [[_render(folder / name, digit, stroke) for digit in range(10)] for name, stroke in _FONTS]
    masks = torch.stack([torch.stack([mask for mask, _ in row]) for row in cells])
    return Glyphs(masks, torch.tensor([[width for _, width in row] for row in cells]))


def _render(font_path: Path, digit: int, stroke: float) -> tuple[Tensor, float]:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(font_path), _FONT_SIZE)
    canvas = Image.new("L", (3 * _FONT_SIZE, 3 * _FONT_SIZE))
    stroke_width = round(stroke * _FONT_SIZE)
    ImageDraw.Draw(canvas).text(
        (_FONT_SIZE, _FONT_SIZE), str(digit), fill=255, font=font, stroke_width=stroke_width, stroke_fill=255
    )
    ink = canvas.getbbox()
    if ink is None:
        raise ValueError(f"expected a digit {digit} in {font_path}, got no ink")
    left, top, right, bottom = ink
    height = bottom - top
    side = round(height * CELL_HEIGHTS)
    x, y = (left + right - side) // 2, (top + bottom - side) // 2
    cell = canvas.crop((x, y, x + side, y + side)).resize((_CELL, _CELL), Image.Resampling.LANCZOS)
    values = torch.frombuffer(bytearray(cell.tobytes()), dtype=torch.uint8).reshape(_CELL, _CELL)
    return values.float() / 255, (right - left) / height
