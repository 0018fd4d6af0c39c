"""What is measured on an adversary of images when its training ends, and its model card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from images_ext.data.images import ImageSet
from images_ext.model import ImageAdversary
from textsem.latent.manifold import code_spread, latent_noise_level
from textsem.latent.objective import NORMS
from textsem.latent.posterior import sample_mixture
from textsem.runs.card import card_end
from textsem.runs.checkpoint import write_text

__all__ = ["measure_adversary", "write_adversary_card"]

_BATCH = 64  # Table 10's, since the latent noise level is a norm over a batch


def measure_adversary(model: ImageAdversary, images: ImageSet, *, seed: int) -> dict[str, float]:
    """Measure reconstruction and latent noise on images that training has not seen.

    Reconstructions are draws from E's mixture, never of a mean code (reading 11).

    Args:
        model: In evaluation mode.
        images: At least one.
        seed: Of particles and draws, anew for every batch.

    Returns:
        Mean distances of the clean reconstruction ``reconstruction_NORM`` and of E's and E's examples
        ``adversarial_NORM`` in [0, 1] pixels, ``latent_noise`` and ``latent_noise_relative`` (reading 21), and
        ``code_spread`` of E, ``code_spread_adv`` of E' (reading 4b; 0: all its particles are one); means over images
        and batches.
    """
    generator = torch.Generator().manual_seed(seed)
    sums: dict[str, float] = {}

    def add(name: str, value: float, weight: int) -> None:
        sums[name] = sums.get(name, 0.0) + value * weight / len(images)

    with torch.no_grad():
        for rows in torch.split(torch.arange(len(images)), _BATCH):
            pixels, B = images.pixels(rows), len(rows)
            theta, theta_adv = model.draw_particles(model.config.num_particles, generator)
            features = model.features(pixels)
            z = model.codes(features, theta)
            z_adv = model.perturb(z, features, theta_adv, images.labels[rows])
            noise = latent_noise_level(z, z_adv)
            add("latent_noise", noise.absolute, B)
            add("latent_noise_relative", noise.relative, B)
            add("code_spread", code_spread(z), B)
            add("code_spread_adv", code_spread(z_adv), B)
            for kind, codes in (("reconstruction", z), ("adversarial", z_adv)):
                decoded = model.decode(sample_mixture(codes, generator=generator)[0])
                difference = (decoded - pixels).flatten(1)
                for name, norm in NORMS.items():
                    add(f"{kind}_{name}", norm(difference).mean().item(), B)
    return {name: round(value, 5) for name, value in sums.items()}


def write_adversary_card(
    folder: Path,
    *,
    command: str,
    machine: str,
    data: Mapping[str, Any],
    settings: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> None:
    """Write the model card, ``README.md``.

    Args:
        folder: The model's folder.
        command: What was run.
        machine: Where.
        data: What was trained and measured on.
        settings: All of ``AdversaryTrainingConfig``, and the model's shapes.
        figures: Measured at the end of training.
    """
    lines = [
        "# An adversary: images from a learned manifold",
        "",
        "Proposes images that stay close to a given one; load it with",
        "`images_ext.model.ImageAdversary.from_pretrained`.  Made for testing image classifiers.",
        "",
        "Distances are of pixels in [0, 1], means over images; reconstructions are drawn from E's mixture.",
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in figures.items()),
        f"- Data: `{json.dumps(dict(data))}`",
        *card_end(command=command, seed=settings["training"]["seed"], machine=machine, settings=settings),
    ]
    write_text(folder / "README.md", "\n".join(lines))
