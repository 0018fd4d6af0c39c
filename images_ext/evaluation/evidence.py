"""What speaks for a learned manifold of images: noise, overlap of marginals, spread of codes, and the number M."""

import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from images_ext.attacks.candidates import measure, to_bytes, to_pixels
from images_ext.data.images import ImageSet
from images_ext.data.loading import DataName, load_images
from images_ext.evaluation.assembly import BUNDLED_ADVERSARY, BUNDLED_TARGET, identify_data, identify_folder
from images_ext.evaluation.code_figures import (
    CodedImages,
    class_share,
    code_images,
    code_moves,
    measure_move,
    noise_levels,
)
from images_ext.evaluation.evidence_tables import write_evidence
from images_ext.model import ImageAdversary
from images_ext.protocols import ImageTarget
from images_ext.targets.loading import load_image_target
from images_ext.training.benchmark import time_updates
from textsem.latent.manifold import code_spread
from textsem.runs.intervals import proportion
from textsem.runs.timing import time_calls
from textsem.runs.versions import package_versions
from textsem.runs.whole_files import check_writable

__all__ = ["ImageEvidenceConfig", "image_evidence", "particle_quality"]

BATCH_SIZE = 64
PRESETS = {"drawn-digits": "mnist"}  # whose sizes an update is timed with, where the data have none of their own


@dataclass(frozen=True)
class ImageEvidenceConfig:
    """Every option of ``scripts/image_evidence.py``.

    Args:
        dataset: ``mnist``, ``svhn``, ``celeba`` or ``drawn-digits``.
        data: Folder, file or hub id of it; None for where the environment says.
        split: Which split.
        num_images: Images from the start.
        adversary: ``bundled``, or the folder of an adversary.
        target: ``bundled``, or the folder of the classifier that it was trained against, for the flips of each M; None
            leaves them out.
        num_particles: M for noise and marginals; None for the adversary's own number.
        particles: Values of M that are compared.
        num_permutations: Of each test of the MMD.
        repeats: Of every timing.
        seed: Draws particles, noise, halves and permutations.
        output: Folder for the files.
    """

    dataset: DataName = "mnist"
    data: str | None = None
    split: str = "test"
    num_images: int = 1000
    adversary: str = "bundled"
    target: str | None = None
    num_particles: int | None = None
    particles: tuple[int, ...] = (2, 5, 10, 15)
    num_permutations: int = 200
    repeats: int = 5
    seed: int = 0
    output: str = "runs/image_evidence"

    def __post_init__(self) -> None:
        """Check the counts; a list becomes a tuple."""
        object.__setattr__(self, "particles", tuple(self.particles))
        counts = {name: getattr(self, name) for name in ("num_images", "num_particles", "num_permutations", "repeats")}
        for name, value in [*counts.items(), *(("particles", M) for M in self.particles)]:
            if value is not None and value < 1:
                raise ValueError(f"expected {name} >= 1, got {value}")


def image_evidence(config: ImageEvidenceConfig) -> dict[str, Any]:
    """Measure; write ``image_evidence.json``, ``.md`` and ``image_marginals.svg``.

    Returns:
        What the JSON file holds.

    Raises:
        ValueError: If an option, the data, the adversary or the target does not fit.
        OSError: If a file cannot be written.
    """
    check_writable(config.output)
    began = time.perf_counter()
    folder = BUNDLED_ADVERSARY if config.adversary == "bundled" else Path(config.adversary)
    model = ImageAdversary.from_pretrained(folder)
    data = load_images(config.dataset, config.data, config.split, limit=config.num_images)  # type: ignore[arg-type]
    if data.shape != model.config.image_shape:
        raise ValueError(f"expected images of the adversary's shape {model.config.image_shape}, got {data.shape}")
    target_folder = BUNDLED_TARGET if config.target == "bundled" else Path(config.target) if config.target else None
    target = None if target_folder is None else load_image_target(target_folder)
    M = config.num_particles or model.config.num_particles
    coded = code_images(model, data.pixels(slice(None)), data.labels, num_particles=M, seed=config.seed)
    is_spherical = model.config.particle.is_spherical
    _, K, d = coded.neighbours.shape
    metrics = {
        "settings": asdict(config),
        "data": identify_data(data),
        "adversary": identify_folder(folder),
        "target": None if target_folder is None else identify_folder(target_folder),
        "images": len(data),
        "num_particles": M,
        "latent_dim": d,
        "neighbours": K,
        "noise": noise_levels(coded.clean, coded.adversarial),
        "spread": _spread(coded),
        "moves": {
            name: measure_move(move, coded.neighbours, num_permutations=config.num_permutations, seed=config.seed)
            for name, move in code_moves(coded, is_spherical=is_spherical).items()
        },
        "class_share": {
            name: class_share(move, data.labels)
            for name, move in code_moves(coded, is_spherical=is_spherical).items()
            if name != "unmoved"
        },
        "particles": [_particle_row(model, data, target, m, config) for m in config.particles],
        "updates": _updates(config, data),
        "versions": package_versions(),
        "seconds": time.perf_counter() - began,
    }
    write_evidence(Path(config.output), metrics, coded.drawn(coded.clean), coded.drawn(coded.adversarial))
    return metrics


def _spread(coded: CodedImages) -> dict[str, float | None]:
    """Return the spread over particles of E's and of E''s codes (reading 4b); None for a single particle."""
    if len(coded.clean) == 1:
        return {"clean": None, "adversarial": None}
    return {"clean": code_spread(coded.clean), "adversarial": code_spread(coded.adversarial)}


@torch.no_grad()
def particle_quality(
    model: ImageAdversary, data: ImageSet, target: ImageTarget | None, *, num_particles: int, seed: int
) -> dict[str, Any]:
    """Return what M particles of one adversary are good for: reconstruction, and flips of x' = dec(z').

    Args:
        model: A trained adversary.
        data: Images.
        target: The classifier; None leaves flips out.
        num_particles: M.
        seed: Draws the particles.

    Returns:
        ``reconstruction_l2`` (mean over particles and images, pixels in [0, 1]) and ``best_reconstruction_l2`` (each
        image's best particle); ``noise``, ``spread``; ``flips``: images that the target has right and misreads for one
        of the M decoded z' at any distance; ``flip_l2``, the median distance of each such image's closest flip.
    """
    pixels = data.pixels(slice(None))
    coded = code_images(model, pixels, data.labels, num_particles=num_particles, seed=seed)
    errors = torch.cat([_distances(model, data, coded.clean, rows) for rows in _batches(len(data))], dim=1)
    row: dict[str, Any] = {
        "particles": num_particles,
        "reconstruction_l2": float(errors.mean()),
        "best_reconstruction_l2": float(errors.amin(dim=0).mean()),
        "noise": noise_levels(coded.clean, coded.adversarial),
        "spread": _spread(coded),
        "flips": None,
        "flip_l2": None,
    }
    if target is None:
        return row
    attacked, nearest = 0, []
    for rows in _batches(len(data)):
        labels = data.labels[rows]
        is_right = target.predict(pixels[rows]).argmax(dim=-1) == labels
        images = to_bytes(model.decode(coded.adversarial[:, rows]))
        answers = torch.stack([target.predict(to_pixels(particle)).argmax(dim=-1) for particle in images])
        distances = _distances(model, data, coded.adversarial, rows)
        closest = distances.masked_fill(answers == labels, torch.inf).amin(dim=0)[is_right]
        attacked += int(is_right.sum())
        nearest += closest[closest.isfinite()].tolist()
    median = statistics.median(nearest) if nearest else None
    return row | {"flips": proportion(len(nearest), attacked), "flip_l2": median}


def _distances(model: ImageAdversary, data: ImageSet, codes: Tensor, rows: slice) -> Tensor:
    """Return the l2 distance of what codes decode to from the images, [particles, images of the batch]."""
    decoded = to_bytes(model.decode(codes[:, rows]))
    originals = data.images[rows]
    return torch.stack([measure(decoded[:, b], originals[b])["l2"] for b in range(len(originals))], dim=1)


def _batches(num: int) -> list[slice]:
    return [slice(start, start + BATCH_SIZE) for start in range(0, num, BATCH_SIZE)]


def _particle_row(
    model: ImageAdversary, data: ImageSet, target: ImageTarget | None, M: int, config: ImageEvidenceConfig
) -> dict[str, Any]:
    """Add to the quality of M what drawing and decoding M candidates an image costs."""
    batch = data.select(slice(0, BATCH_SIZE))
    pixels = batch.pixels(slice(None))

    @torch.no_grad()
    def make_candidates() -> Tensor:
        theta, theta_adv = model.draw_particles(M, torch.Generator().manual_seed(config.seed))
        features = model.features(pixels)
        return model.decode(model.perturb(model.codes(features, theta), features, theta_adv, batch.labels))

    timing = time_calls({"candidates": make_candidates}, repeats=config.repeats)["candidates"].per(len(batch))
    quality = particle_quality(model, data, target, num_particles=M, seed=config.seed)
    return {**quality, "wall_ms_an_image": 1e3 * timing.wall, "cpu_ms_an_image": 1e3 * timing.cpu}


def _updates(config: ImageEvidenceConfig, data: ImageSet) -> list[dict[str, Any]]:
    """Time one inner update of Algorithm 2 at the base preset's sizes for each M, target excluded."""
    return time_updates(
        PRESETS.get(config.dataset, config.dataset),
        config.particles,
        image_shape=data.shape,
        num_classes=data.num_classes,
        batch_size=BATCH_SIZE,
        repeats=config.repeats,
        seed=config.seed,
    )
