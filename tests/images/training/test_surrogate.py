"""The surrogate, its buffer, and the two terms that do without the target's gradient."""

import math

import torch
from torch import Tensor

from images_ext.attacks.candidates import to_bytes, to_pixels
from images_ext.training.image_problem import DecodedImages, ImageBatch
from images_ext.training.surrogate import AnswerBuffer, EvolutionTerm, GradientTerm, Surrogate
from tests.images.test_model import some_pixels, tiny_model
from textsem.latent.black_box import Evolution

SHAPE = (1, 8, 8)


def tiny_surrogate(seed: int = 0) -> Surrogate:
    return Surrogate(
        SHAPE,
        3,
        channels=(4,),
        hidden=(),
        learning_rate=1e-2,
        batch_size=8,
        answers_kept=16,
        generator=torch.Generator().manual_seed(seed),
    )


class Brightness:
    """Class 1 where the left half is brighter than the right; refuses to be differentiated."""

    label_names: tuple[str, ...] = ("right", "left", "never")

    def predict(self, pixels: Tensor) -> Tensor:
        assert not pixels.requires_grad
        assert torch.equal(pixels, to_pixels(to_bytes(pixels)))  # on the byte grid
        margin = 5 * (pixels[..., :4].mean(dim=(1, 2, 3)) - pixels[..., 4:].mean(dim=(1, 2, 3)))
        return torch.stack([-margin, margin, torch.full_like(margin, -20.0)], dim=1).softmax(dim=1)


def test_the_buffer_keeps_the_newest() -> None:
    buffer = AnswerBuffer(3, (1, 1, 1), 2)
    for value in (1, 2, 3, 4, 5):
        buffer.add(torch.full((1, 1, 1, 1), value, dtype=torch.uint8), torch.tensor([[value, 0.0]]))
    assert buffer.images.flatten().tolist() == [3, 4, 5]
    pixels, answers = buffer.sample(50, torch.Generator().manual_seed(0))
    assert set(answers[:, 0].tolist()) == {3.0, 4.0, 5.0}
    torch.testing.assert_close(pixels.flatten() * 255, answers[:, 0])
    other = AnswerBuffer(3, (1, 1, 1), 2)
    other.restore(buffer.state())
    assert torch.equal(other.answers, buffer.answers)


def test_the_surrogate_learns_what_the_target_answers() -> None:
    surrogate, target, pixels = tiny_surrogate(), Brightness(), to_pixels(to_bytes(some_pixels(16)))
    answers = target.predict(pixels)
    surrogate.buffer.add(to_bytes(pixels), answers)
    losses = [surrogate.step() for _ in range(150)]
    entropy = -(answers * answers.log()).sum(dim=1).mean().item()  # below which no cross-entropy falls
    assert losses[-1] - entropy < 0.5 * (losses[0] - entropy)
    assert (surrogate.logits(pixels).argmax(dim=1) == answers.argmax(dim=1)).float().mean() > 0.8


def test_the_gradient_of_the_surrogate_reaches_the_pixels_and_not_its_weights() -> None:
    surrogate, term = tiny_surrogate(), GradientTerm(tiny_surrogate(), loss="margin")
    pixels = some_pixels(2).requires_grad_()
    batch = ImageBatch(pixels.detach(), torch.tensor([0, 1]))
    term(DecodedImages(torch.zeros(2, 6), pixels), batch).sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in surrogate.network.parameters())


def test_evolution_finds_the_way_that_the_target_is_never_asked_to_differentiate() -> None:
    model, target = tiny_model(), Brightness()
    generator = torch.Generator().manual_seed(0)
    term = EvolutionTerm(model, target, Evolution("margin", 400, 0.5, generator))
    codes = torch.randn(1, 6, generator=torch.Generator().manual_seed(4)).requires_grad_()
    batch = ImageBatch(torch.zeros(1, *SHAPE), torch.tensor([1]))

    def margin(at: Tensor) -> Tensor:
        pixels = model.decode(at)
        return 10 * (pixels[..., :4].mean(dim=(1, 2, 3)) - pixels[..., 4:].mean(dim=(1, 2, 3)))

    value = term(DecodedImages(codes, model.decode(codes)), batch)
    assert math.isclose(value.item(), margin(codes).item(), abs_tol=0.05)
    (found,) = torch.autograd.grad(value.sum(), codes)
    (true,) = torch.autograd.grad(margin(codes).sum(), codes)
    assert torch.cosine_similarity(found, true).item() > 0.7


def test_evolution_asks_about_what_is_shown() -> None:
    asked: list[Tensor] = []

    class Recorder(Brightness):
        def predict(self, pixels: Tensor) -> Tensor:
            asked.append(pixels)
            return super().predict(pixels)

    term = EvolutionTerm(tiny_model(), Recorder(), Evolution("margin", 2, 0.5, torch.Generator().manual_seed(0)))
    codes, pixels = torch.zeros(1, 6, requires_grad=True), torch.zeros(1, *SHAPE)
    bright = ImageBatch(pixels, torch.tensor([1]), residual=torch.ones_like(pixels))
    term(DecodedImages(codes, pixels), bright)
    assert asked
    assert all((rows == 1).all() for rows in asked)
