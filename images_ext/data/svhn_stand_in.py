"""House-number-like images: rendered digits in SVHN's published format, for where SVHN itself is not at hand.

They resemble SVHN in what makes it hard (neighbouring digits cut off at both sides, colour, low contrast, blur,
clutter, uneven light) and in the shares of its classes.  Figures on them are no figures on SVHN: the sets are named
``svhn stand-in``, and so is every table made from them.
"""

import math
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from images_ext.data.glyphs import CELL_HEIGHTS, Glyphs, render_glyphs
from images_ext.data.images import DIGIT_NAMES, ImageSet
from images_ext.data.svhn import STAND_IN_NAME, svhn_file, write_svhn
from textsem.runs.whole_files import check_writable

__all__ = ["draw_house_numbers", "make_svhn_stand_in"]

_SIDE = 32
_FINE = 2 * _SIDE
_CHUNK = 500
# Digits 0 to 9 among the 73,257 training images of SVHN.
_DIGIT_COUNTS = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
# Numbers of one to four digits; most have two or three.
_LENGTH_SHARES = (0.12, 0.35, 0.36, 0.17)


def make_svhn_stand_in(folder: str | Path, *, num_train: int = 20_000, num_test: int = 4_000, seed: int = 0) -> None:
    """Write ``train_32x32.mat`` and ``test_32x32.mat`` into a folder, made if it is missing.

    Raises:
        ValueError: If a number of images is below 1.
        OSError: If a file cannot be written.
    """
    sizes: dict[Literal["train", "test"], int] = {"train": num_train, "test": num_test}
    for split, num_images in sizes.items():
        if num_images < 1:
            raise ValueError(f"expected at least 1 {split} image, got {num_images}")
    check_writable(folder)
    glyphs = render_glyphs()
    generator = torch.Generator().manual_seed(seed)
    for split, num_images in sizes.items():
        images = draw_house_numbers(num_images, split=split, glyphs=glyphs, generator=generator)
        write_svhn(svhn_file(folder, split), images)


def draw_house_numbers(num_images: int, *, split: str, glyphs: Glyphs, generator: torch.Generator) -> ImageSet:
    """Draw digits as a camera would see them in house numbers, in chunks; the same generator state, the same bytes.

    Args:
        num_images: How many.
        split: The name of the split.
        glyphs: What the digits look like.
        generator: Source of every choice.

    Returns:
        Images [num_images, 3, 32, 32] with the digit in the middle as label.

    Raises:
        ValueError: If ``num_images`` is below 1.
    """
    if num_images < 1:
        raise ValueError(f"expected at least 1 image, got {num_images}")
    chunks = [_draw(min(_CHUNK, num_images - at), glyphs, generator) for at in range(0, num_images, _CHUNK)]
    images, labels = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    return ImageSet(images, labels, DIGIT_NAMES, STAND_IN_NAME, split)


class _Draws:
    """Random numbers of one chunk, [batch, 1, 1, 1] each."""

    def __init__(self, batch: int, generator: torch.Generator) -> None:
        self.batch, self.generator = batch, generator

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.batch, 1, 1, 1, generator=self.generator)

    def normal(self, deviation: float) -> Tensor:
        return deviation * torch.randn(self.batch, 1, 1, 1, generator=self.generator)

    def chance(self, probability: float) -> Tensor:
        """Return 1 with a probability, else 0."""
        return (self.uniform(0, 1) < probability).float()

    def field(self, cells: int, channels: int = 1) -> Tensor:
        """Return smooth noise of deviation about 1, [batch, channels, fine, fine]."""
        coarse = torch.randn(self.batch, channels, cells, cells, generator=self.generator)
        return F.interpolate(coarse, size=(_FINE, _FINE), mode="bicubic", align_corners=False)

    def choice(self, shares: Tensor) -> Tensor:
        """Return places in ``shares``, [batch], each as often as its share says."""
        return torch.multinomial(shares, self.batch, replacement=True, generator=self.generator)


def _draw(batch: int, glyphs: Glyphs, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    draws = _Draws(batch, generator)
    ink, labels = _ink(glyphs, draws)
    wall, paint, contrast = _colours(draws)
    scene = _surface(wall, contrast, draws)
    shadow = torch.roll(ink, shifts=(2, 2), dims=(2, 3)) * draws.chance(0.3) * draws.uniform(0.2, 0.6)
    scene = scene * (1 - shadow)
    shade = 1 + 0.15 * draws.field(2) * draws.chance(0.6)
    scene = scene * (1 - ink) + (paint * shade).clamp(0, 1) * ink
    scene = _occluded(scene, draws)
    x, y = _axes()
    light = 1 + draws.normal(0.15) * x + draws.normal(0.15) * y + draws.normal(0.06) * draws.field(2)
    pixels = F.avg_pool2d(_blurred(scene * light, draws), 2)
    noise = torch.randn(pixels.shape, generator=generator) * draws.uniform(0.0, 0.03)
    return ((pixels + noise).clamp(0, 1) * 255).round().to(torch.uint8), labels


def _axes() -> tuple[Tensor, Tensor]:
    """Return the places of fine pixels from -1 to 1: x [1, 1, 1, fine] and y [1, 1, fine, 1]."""
    line = (torch.arange(_FINE) + 0.5) / _FINE * 2 - 1
    return line.reshape(1, 1, 1, -1), line.reshape(1, 1, -1, 1)


def _ink(glyphs: Glyphs, draws: _Draws) -> tuple[Tensor, Tensor]:
    """Return ink [batch, 1, fine, fine] of a digit and its neighbours, and the digits [batch]."""
    fonts = draws.choice(torch.ones(len(glyphs.masks)))
    shares = torch.tensor(_DIGIT_COUNTS).float()
    label, left, right = draws.choice(shares), draws.choice(shares), draws.choice(shares)
    length = draws.choice(torch.tensor(_LENGTH_SHARES)) + 1
    place = (torch.rand(draws.batch, generator=draws.generator) * length).long()
    u, v = _number_plane(draws)
    gap = draws.uniform(0.03, 0.22)
    climb = draws.normal(0.04)

    def glyph(digits: Tensor, side: int) -> Tensor:
        width = glyphs.widths[fonts, label] + glyphs.widths[fonts, digits]
        offset = side * (width.reshape(-1, 1, 1, 1) / 2 + gap)
        grid = torch.cat([u - offset, v - side * climb], dim=1).movedim(1, -1) * (2 / CELL_HEIGHTS)
        return F.grid_sample(glyphs.masks[fonts, digits].unsqueeze(1), grid, align_corners=False)

    has_left = (place > 0).float().reshape(-1, 1, 1, 1)
    has_right = (place < length - 1).float().reshape(-1, 1, 1, 1)
    ink = torch.maximum(glyph(label, 0), torch.maximum(has_left * glyph(left, -1), has_right * glyph(right, 1)))
    return ink.clamp(0, 1), label


def _number_plane(draws: _Draws) -> tuple[Tensor, Tensor]:
    """Return where each fine pixel lies on the wall, in heights of a digit from the middle one's centre."""
    x, y = _axes()
    depth = 1 + draws.normal(0.05) * x + draws.normal(0.04) * y
    x, y = x / depth - draws.normal(0.05), y / depth - draws.normal(0.05)
    angle = draws.normal(math.radians(4.5))
    x, y = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    x = (x + draws.normal(0.1) * y) / draws.uniform(0.75, 1.2)
    # The box of the published crops is as high as the digit or a little higher.
    height = 2 * draws.uniform(0.68, 0.98)
    return x / height, y / height


def _colours(draws: _Draws) -> tuple[Tensor, Tensor, Tensor]:
    """Return the wall's and the digits' colour, [batch, 3, 1, 1] in about [0, 1], and their contrast."""
    contrast = 0.1 + 0.6 * draws.uniform(0, 1) ** 1.3
    is_dark_on_light = draws.chance(0.5)
    darker = draws.uniform(0.05, 1) * (0.92 - contrast)
    lighter = darker + contrast
    wall = torch.lerp(darker, lighter, is_dark_on_light)
    paint = torch.lerp(lighter, darker, is_dark_on_light)
    return wall + _chroma(draws), paint + _chroma(draws), contrast


def _chroma(draws: _Draws) -> Tensor:
    """Return an offset of RGB without lightness, [batch, 3, 1, 1]: mostly weak, most often between brown and blue."""
    angle = draws.normal(0.5) + math.pi * draws.chance(0.45) + draws.chance(0.15) * draws.uniform(-3, 3)
    strength = 0.13 * draws.uniform(0, 1) ** 2.5 + 0.03 * draws.uniform(0, 1)
    warm = torch.tensor([0.9, 0.05, -1.5]).reshape(1, 3, 1, 1)
    green = torch.tensor([-0.8, 0.45, -0.4]).reshape(1, 3, 1, 1)
    return strength * (angle.cos() * warm + angle.sin() * green)


def _surface(wall: Tensor, contrast: Tensor, draws: _Draws) -> Tensor:
    """Return the wall with stains, boards, and the edge of a plate, [batch, 3, fine, fine]."""
    x, y = _axes()
    rough = contrast.clamp(max=0.4)
    scene = wall + rough * (0.12 * draws.field(3) + 0.1 * draws.field(9) * draws.chance(0.5))
    tilt = draws.normal(0.1)
    phase = (y + tilt * x) * draws.uniform(0.7, 2.5) + draws.uniform(0, 1)
    boards = ((phase - phase.floor()) < 0.12).float() * draws.chance(0.2)
    scene = scene - rough * 0.6 * boards
    # Beyond a straight edge another colour begins, seldom near the middle.
    direction = draws.uniform(-math.pi, math.pi)
    quarter = (direction / (math.pi / 2)).round() * (math.pi / 2) + draws.normal(0.08)
    distance = quarter.cos() * x + quarter.sin() * y - draws.uniform(0.7, 1.1)
    beyond = (distance * _FINE / 2 + 0.5).clamp(0, 1) * draws.chance(0.55)
    other = draws.uniform(0.05, 0.95) + _chroma(draws) + 0.05 * draws.field(5)
    return torch.lerp(scene, other.expand_as(scene), beyond).clamp(0, 1)


def _occluded(scene: Tensor, draws: _Draws) -> Tensor:
    """Return the scene with a bar across it, such as a twig or a cable, in some images."""
    x, y = _axes()
    angle = draws.uniform(0, math.pi)
    distance = (angle.cos() * x + angle.sin() * y - draws.normal(0.5)).abs()
    bar = ((draws.uniform(0.03, 0.1) - distance) * _FINE / 2 + 0.5).clamp(0, 1) * draws.chance(0.1)
    return torch.lerp(scene, (draws.uniform(0.05, 0.9) + _chroma(draws)).expand_as(scene), bar)


def _blurred(scene: Tensor, draws: _Draws) -> Tensor:
    """Return each image under a Gaussian of its own width in x and in y."""
    batch, channels = scene.shape[:2]
    taps = torch.arange(-6, 7).float()
    width = 0.5 + 2.2 * draws.uniform(0, 1) ** 1.5
    for axis in (2, 3):
        kernel = torch.exp(-0.5 * (taps / (width * draws.uniform(0.8, 1.25)).flatten(1)) ** 2)
        kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, dim=0)
        kernel = kernel.reshape(batch * channels, 1, -1, 1) if axis == 2 else kernel.reshape(batch * channels, 1, 1, -1)
        padding = (0, 0, 6, 6) if axis == 2 else (6, 6, 0, 0)
        padded = F.pad(scene.reshape(1, batch * channels, _FINE, _FINE), padding, mode="replicate")
        scene = F.conv2d(padded, kernel, groups=batch * channels).reshape(batch, channels, _FINE, _FINE)
    return scene
