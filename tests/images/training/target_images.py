"""Images that a tiny network learns in a few steps: the class is which third of the rows is bright."""

import torch

from images_ext.data.images import ImageSet


def striped(number: int, *, seed: int = 0, split: str = "train") -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (number,), generator=generator)
    pixels = torch.rand(number, 1, 8, 8, generator=generator) * 0.2
    for row, label in enumerate(labels.tolist()):
        pixels[row, :, 2 * label + 1 : 2 * label + 3] += 0.7
    return ImageSet((pixels * 255).to(torch.uint8), labels, ("top", "middle", "bottom"), "stripes", split)
