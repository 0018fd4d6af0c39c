"""What one inner update of Algorithm 2 on images costs, whole and in its dearest parts, the target left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from images_ext.model import ImageAdversary
from images_ext.training.adversary_config import Preset, preset
from images_ext.training.attacker import prepared
from images_ext.training.image_problem import DecodedImages, ImageBatch, ImageProblem
from images_ext.training.modes import ModeAssignment
from textsem.latent.gram_schmidt import gram_schmidt
from textsem.latent.learner import Learner, train_batch
from textsem.latent.stages import num_stage_steps, set_stage_rates
from textsem.runs.timing import TICK, time_calls

__all__ = ["free_term", "time_parts", "time_updates"]


def free_term(outputs: DecodedImages, batch: ImageBatch) -> Tensor:
    """Stand in for a target that costs nothing, yet sends a gradient through every pixel: their mean, [batch]."""
    return outputs.pixels.flatten(1).mean(dim=1)


def time_updates(
    name: str,
    particles: Sequence[int],
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    batch_size: int,
    repeats: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Time an inner update (lines 8 to 16, target excluded) in phase ``adversarial``, all cases in turn.

    Random weights and images.  A call is one batch, T inner updates and what goes before them (``prepared``, and the
    choice of modes); its T-th part is reported.  The gate is held open, since a shut one skips the adversarial term,
    and rates are zero: steps cost what they cost, and every repeat does the same work.

    Args:
        name: Of the preset.
        particles: Numbers of particles M.
        image_shape: Channels, height and width.
        num_classes: Of the data.
        batch_size: Images.
        repeats: Batches timed a case.
        seed: Of weights, images and draws.

    Returns:
        One row for every M: milliseconds, and the ratio of processor time to M = 5 where that is there.
    """
    settings = preset(name, image_shape=image_shape, num_classes=num_classes)
    calls = {str(M): _batch_call(settings, M, batch_size=batch_size, seed=seed) for M in particles}
    timed = time_calls(calls, repeats=repeats)
    rows = []
    for M in particles:
        timing = timed[str(M)].per(settings.training.learner.num_inner_updates)
        row = {"preset": name, "particles": M, "wall_ms": 1e3 * timing.wall, "cpu_ms": 1e3 * timing.cpu}
        five = timed.get("5")
        rows.append(row | {"cpu_to_5": None if five is None else timed[str(M)].cpu / max(five.cpu, TICK)})
    return rows


def time_parts(
    name: str,
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    num_particles: int,
    batch_size: int,
    repeats: int,
    seed: int,
) -> dict[str, float]:
    """Time what an update is made of, milliseconds of processor time: where a remedy has to begin.

    Returns:
        ``decode`` with its gradient, ``invert`` (decode and features of the inverted images, no gradient),
        ``features`` with their gradient, ``gram_schmidt``, and ``particles`` (f_eta and Theta's codes, with gradient).
    """
    settings = preset(name, image_shape=image_shape, num_classes=num_classes)
    model, batch, generator = _start(settings, batch_size, seed)
    d, rows = settings.model.latent_dim, settings.training.learner.inversion_examples or batch_size
    codes = torch.randn(num_particles, batch_size, d, generator=generator)
    features = model.features(batch.pixels).detach()
    xi = model.recognition.sample_noise(num_particles, generator)

    def decode() -> None:
        model.decode(codes[0].clone().requires_grad_()).sum().backward()  # type: ignore[no-untyped-call]

    def invert() -> None:
        with torch.no_grad():
            model.features(model.decode(codes[:, :rows]).flatten(0, 1))

    calls: dict[str, Callable[[], object]] = {
        "decode": decode,
        "invert": invert,
        "features": lambda: model.features(batch.pixels).sum().backward(),  # type: ignore[no-untyped-call]
        "gram_schmidt": lambda: gram_schmidt(codes),
        "particles": lambda: model.codes(features, model.recognition(xi)).sum().backward(),  # type: ignore[no-untyped-call]
    }
    return {key: 1e3 * timing.cpu for key, timing in time_calls(calls, repeats=repeats).items()}


def _start(settings: Preset, batch_size: int, seed: int) -> tuple[ImageAdversary, ImageBatch, torch.Generator]:
    """Return a fresh model and a batch of random images."""
    generator, shape = torch.Generator().manual_seed(seed), settings.model.image_shape
    model = ImageAdversary(settings.model).initialise(generator)
    labels = torch.randint(settings.model.num_classes, (batch_size,), generator=generator)
    return model, ImageBatch(torch.rand(batch_size, *shape, generator=generator), labels), generator


def _batch_call(settings: Preset, num_particles: int, *, batch_size: int, seed: int) -> Callable[[], object]:
    """Return a call that trains a fresh model of these sizes on one batch."""
    training = settings.training
    model, batch, generator = _start(settings, batch_size, seed)
    config = replace(
        training.learner,
        num_particles=num_particles,
        epsilon=float("inf"),
        inner_rate=0.0,
        inner_rate_adv=0.0,
    )
    learner = Learner(config, model.particle_mlp, model.recognition, model.particle_mlp_adv, model.recognition_adv)
    problem = ImageProblem(model, free_term, norm=training.norm, reconstruction_norm=training.reconstruction_norm)
    modes = ModeAssignment(model, num_particles=num_particles, rate=0.0) if model.config.num_modes > 1 else None
    optimizer, state = learner.make_optimizer(problem.parameter_groups()), learner.initial_state(generator)
    # As in the third stage, where a preset may hold extractor and decoder still; no step is taken.
    set_stage_rates(optimizer, [group["lr"] for group in optimizer.param_groups], training, num_stage_steps(training))
    for group in optimizer.param_groups:
        group["lr"] = 0.0

    def train() -> object:
        shown = prepared(model, batch, training, generator)
        if modes is not None:
            shown = modes(shown, lambda pixels, batch: pixels.mean(dim=(1, 2, 3)), generator)
        return train_batch(learner, problem, optimizer, state, shown, phase="adversarial", generator=generator)

    return train
