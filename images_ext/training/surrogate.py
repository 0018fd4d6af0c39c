"""Where Eq. 6's gradient comes from without the target's own: a distilled network, or evolution strategies."""

from typing import Any

import torch
from torch import Tensor

from images_ext.attacks.candidates import to_bytes, to_pixels
from images_ext.model import ImageAdversary
from images_ext.networks.extractor import Extractor, ExtractorConfig
from images_ext.protocols import GradientImageTarget, ImageTarget
from images_ext.training.image_problem import DecodedImages, ImageBatch
from textsem.latent.black_box import Evolution, distillation_step
from textsem.latent.initialisation import draw_layers, materialise
from textsem.latent.objective import FOOLING_LOSSES, FoolingLoss

__all__ = ["AnswerBuffer", "EvolutionTerm", "GradientTerm", "Surrogate"]


class AnswerBuffer:
    """The last answers of the target, which a surrogate learns from.

    Args:
        capacity: Most images kept; the oldest go first.
        image_shape: Channels, height and width.
        num_classes: Of an answer.
    """

    def __init__(self, capacity: int, image_shape: tuple[int, int, int], num_classes: int) -> None:
        self.capacity = capacity
        self.images = torch.zeros(0, *image_shape, dtype=torch.uint8)
        self.answers = torch.zeros(0, num_classes)

    def add(self, images: Tensor, answers: Tensor) -> None:
        """Append bytes [rows, channels, height, width] and probabilities [rows, classes]; forget the oldest."""
        self.images = torch.cat([self.images, images])[-self.capacity :]
        self.answers = torch.cat([self.answers, answers])[-self.capacity :]

    def sample(self, num_rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw rows with replacement: pixels and answers."""
        rows = torch.randint(len(self.images), (num_rows,), generator=generator)
        return to_pixels(self.images[rows]), self.answers[rows]

    def state(self) -> dict[str, Any]:
        """Return what a saved training state holds."""
        return {"images": self.images, "answers": self.answers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over rows from ``state``."""
        self.images, self.answers = state["images"], state["answers"]


class Surrogate:
    """Distil a small classifier from the target's answers, online.

    Args:
        image_shape: Channels, height and width.
        num_classes: Of an answer.
        channels: Filters of its convolutions.
        hidden: Widths of its dense layers.
        learning_rate: Of Adam.
        batch_size: Rows a step.
        answers_kept: Answers that it learns from.
        generator: Draws weights and rows.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        *,
        channels: tuple[int, ...],
        hidden: tuple[int, ...],
        learning_rate: float,
        batch_size: int,
        answers_kept: int,
        generator: torch.Generator,
    ) -> None:
        shape = ExtractorConfig(image_shape, channels=channels, hidden=hidden, feature_dim=num_classes)
        with torch.device("meta"):
            network = Extractor(shape)
        self.network = materialise(network)
        draw_layers(self.network, generator)
        self.network.eval().requires_grad_(False)
        self.buffer = AnswerBuffer(answers_kept, image_shape, num_classes)
        self.batch_size, self.generator = batch_size, generator
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate, fused=True)

    def logits(self, pixels: Tensor) -> Tensor:
        """Return logits [batch, classes], differentiable in ``pixels``."""
        logits: Tensor = self.network(pixels)
        return logits

    def step(self) -> float:
        """Take one step on answers drawn from the buffer and return the loss, nats a row."""
        return self.fit(*self.buffer.sample(self.batch_size, self.generator))

    def fit(self, pixels: Tensor, answers: Tensor) -> float:
        """Take one step towards ``answers`` [batch, classes] and return the loss before it."""
        return distillation_step(self.network, self.optimizer, (pixels,), answers)


class GradientTerm:
    """Second term of Eq. 6 by back-propagation through a network: a surrogate, or the target itself.

    Args:
        network: What is differentiated.
        loss: Key of ``FOOLING_LOSSES`` (reading 18).
    """

    def __init__(self, network: Surrogate | GradientImageTarget, *, loss: FoolingLoss) -> None:
        self.network, self.loss = network, FOOLING_LOSSES[loss]

    def __call__(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return the loss of each image, [batch]."""
        return self.loss(self.network.logits(outputs.pixels), batch.labels)


class EvolutionTerm:
    """Second term of Eq. 6 by antithetic evolution strategies in the code space: the target is only asked.

    Args:
        model: Decodes the codes.
        target: Answers; any access.
        evolution: How the gradient is estimated.
    """

    def __init__(self, model: ImageAdversary, target: ImageTarget, evolution: Evolution) -> None:
        self.model, self.target, self.evolution = model, target, evolution

    def __call__(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return a loss of each image [batch] whose gradient in the codes is the estimate."""

        @torch.no_grad()
        def answer(codes: Tensor) -> Tensor:
            return self.target.predict(to_pixels(to_bytes(batch.shown(self.model.decode(codes)).flatten(0, 1))))

        return self.evolution(answer, outputs.codes, batch.labels)
