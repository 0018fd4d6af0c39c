from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from images_ext.attacks.pgd import PgdConfig, pgd, pgd_steps, random_start


def network() -> nn.Module:
    # Double, so that one row alone takes the same steps as in a batch: signs near 0 must not depend on rounding.
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 3)).double()


def question(batch: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(batch, 1, 8, 8, generator=generator, dtype=torch.float64)
    return pixels, network()(pixels).argmax(dim=-1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lengths(difference: Tensor, norm: str) -> Tensor:
    flat = difference.flatten(1)
    return flat.abs().amax(dim=1) if norm == "linf" else flat.square().sum(dim=1).sqrt()


def naive_pgd(logits: Callable[[Tensor], Tensor], x: Tensor, y: int, starts: Tensor, config: PgdConfig) -> Tensor:
    """Attack one image, restart by restart, all of them; [1, channels, height, width]."""
    ends: list[Tensor] = []
    losses: list[float] = []
    for start in starts:
        x_adv = start[None]
        for _ in range(config.num_steps):
            x_adv = x_adv.detach().requires_grad_()
            (g,) = torch.autograd.grad(F.cross_entropy(logits(x_adv), torch.tensor([y])), x_adv)
            move = g.sign() if config.norm == "linf" else g / g.norm()
            difference = x_adv.detach() + config.step_size * move - x
            if config.norm == "linf":
                difference = difference.clamp(-config.epsilon, config.epsilon)
            elif difference.norm() > config.epsilon:
                difference = difference * config.epsilon / difference.norm()
            x_adv = (x + difference).clamp(0, 1)
        ends.append(x_adv.detach())
        losses.append(F.cross_entropy(logits(ends[-1]), torch.tensor([y])).item())
        if int(logits(ends[-1]).argmax()) != y:
            return ends[-1]
    return ends[max(range(len(ends)), key=losses.__getitem__)]


@pytest.mark.parametrize(("norm", "epsilon", "step_size"), [("linf", 0.08, 0.02), ("l2", 0.5, 0.12)])
def test_agrees_with_a_naive_loop_over_images_and_restarts(norm: str, epsilon: float, step_size: float) -> None:
    config = PgdConfig(epsilon, step_size, norm=norm, num_steps=5, num_restarts=3)  # type: ignore[arg-type]
    (pixels, labels), model = question(), network()
    found = pgd(model, pixels, labels, config=config, generator=seeded())
    generator = seeded()
    starts = torch.stack([random_start(pixels, config=config, generator=generator) for _ in range(3)])
    naive = [naive_pgd(model, pixels[i : i + 1], int(labels[i]), starts[:, i], config) for i in range(len(pixels))]
    is_fooled = model(found).argmax(dim=-1) != labels
    assert len(is_fooled.unique()) == 2, "a test of both outcomes needs both"
    torch.testing.assert_close(found, torch.cat(naive))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_result_stays_in_the_ball_and_in_the_range(norm: str) -> None:
    config = PgdConfig(0.3, 0.2, norm=norm, num_steps=4, num_restarts=2)  # type: ignore[arg-type]
    pixels, labels = question()
    pixels[:, :, :4] = pixels[:, :, :4].round()
    found = pgd(network(), pixels, labels, config=config, generator=seeded())
    assert float(lengths(found - pixels, norm).max()) <= 0.3 + 1e-12
    assert float(found.min()) >= 0.0
    assert float(found.max()) <= 1.0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_radius_zero_gives_the_very_input(norm: str) -> None:
    pixels, labels = question()
    pixels = pixels.float()
    config = PgdConfig(0.0, 0.1, norm=norm, num_steps=3, num_restarts=2)  # type: ignore[arg-type]
    assert torch.equal(pgd(network().float(), pixels, labels, config=config, generator=seeded()), pixels)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_linear_target_is_attacked_in_closed_form(norm: str) -> None:
    weight = torch.tensor([[3.0, -4.0], [0.0, 0.0]], dtype=torch.float64)
    pixels = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64)
    config = PgdConfig(0.1, 0.05, norm=norm, num_steps=10, random_start=False)  # type: ignore[arg-type]
    found = pgd(lambda x: x.flatten(1) @ weight.T, pixels, torch.tensor([0]), config=config, generator=seeded())
    # Down the first logit: against the signs of (3, -4), or along -(3, -4) / 5.
    expected = [0.4, 0.6] if norm == "linf" else [0.5 - 0.06, 0.5 + 0.08]
    torch.testing.assert_close(found.flatten(), torch.tensor(expected, dtype=torch.float64))


def test_fooled_images_have_no_further_restarts() -> None:
    asked: list[int] = []
    labels = torch.tensor([0, 1, 0, 1])

    def always_second(x: Tensor) -> Tensor:
        asked.append(len(x))
        return torch.stack([x.flatten(1).sum(dim=1) * 0.0, torch.ones(len(x))], dim=1)

    config = PgdConfig(0.1, 0.1, num_steps=1, num_restarts=3)
    pgd(always_second, torch.rand(4, 1, 2, 2), labels, config=config, generator=seeded())
    assert asked == [4, 4, 2, 2, 2, 2]


def test_all_images_fooled_ends_the_attack() -> None:
    asked: list[int] = []

    def always_second(x: Tensor) -> Tensor:
        asked.append(len(x))
        return torch.stack([x.flatten(1).sum(dim=1) * 0.0, torch.ones(len(x))], dim=1)

    config = PgdConfig(0.1, 0.1, num_steps=1, num_restarts=3)
    pgd(always_second, torch.rand(4, 1, 2, 2), torch.zeros(4, dtype=torch.long), config=config, generator=seeded())
    assert asked == [4, 4]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_starts_fill_the_ball_evenly(norm: str) -> None:
    # Far from the ends of the range, so that nothing is clipped; share of the ball within half its radius is 2^-n.
    pixels = torch.full((20_000, 1, 1, 2), 0.5)
    config = PgdConfig(0.4, 0.1, norm=norm)  # type: ignore[arg-type]
    away = lengths(random_start(pixels, config=config, generator=seeded()) - pixels, norm)
    assert float(away.max()) <= 0.4 + 1e-6
    # Standard deviation of the share: sqrt(0.25 * 0.75 / 20000) = 0.003.
    assert float((away < 0.2).float().mean()) == pytest.approx(0.25, abs=0.012)


def test_inputs_are_not_written_into() -> None:
    pixels, labels = question()
    before = pixels.clone()
    pgd(network(), pixels, labels, config=PgdConfig(0.3, 0.1, num_steps=2), generator=seeded())
    assert torch.equal(pixels, before)


def test_weights_get_no_gradient() -> None:
    model = network()
    pixels, labels = question()
    pgd_steps(model, pixels, labels, start=pixels, config=PgdConfig(0.3, 0.1, num_steps=2))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_images_give_no_images() -> None:
    none = torch.rand(0, 1, 8, 8)
    config = PgdConfig(0.3, 0.1, norm="l2", num_steps=2)
    assert pgd(network().float(), none, torch.zeros(0).long(), config=config, generator=seeded()).shape == none.shape


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epsilon": -0.1, "step_size": 0.1}, "expected epsilon >= 0"),
        ({"epsilon": 0.1, "step_size": 0.0}, "expected step_size > 0"),
        ({"epsilon": 0.1, "step_size": 0.1, "norm": "l1"}, "expected norm linf or l2, got 'l1'"),
        ({"epsilon": 0.1, "step_size": 0.1, "num_steps": 0}, "num_steps >= 1"),
        ({"epsilon": 0.1, "step_size": 0.1, "num_restarts": 2, "random_start": False}, "expected one restart"),
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PgdConfig(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("norm", "epsilon", "step_size"), [("linf", 0.08, 0.02), ("l2", 0.5, 0.12)])
def test_agrees_with_foolbox(norm: str, epsilon: float, step_size: float) -> None:
    foolbox = pytest.importorskip("foolbox")
    model = network().float().eval()
    pixels, labels = question()
    pixels = pixels.float()
    config = PgdConfig(epsilon, step_size, norm=norm, num_steps=5, random_start=False)  # type: ignore[arg-type]
    ours = pgd(model, pixels, labels, config=config, generator=seeded())
    kind = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
    attack = kind(abs_stepsize=step_size, steps=5, random_start=False)
    _, theirs, _ = attack(foolbox.PyTorchModel(model, bounds=(0, 1)), pixels, labels, epsilons=epsilon)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
