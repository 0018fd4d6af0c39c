import pytest
import torch

from images_ext.attacks.pgd import PgdConfig, pgd
from images_ext.targets.callable_target import CallableTarget
from images_ext.targets.metering import MeteredImageTarget
from images_ext.targets.module_target import ModuleTarget
from images_ext.targets.residual import ResidualNetwork
from tests.images.targets.networks import TINY_RESIDUAL

NAMES = ("a", "b", "c")


def module() -> ModuleTarget:
    return ModuleTarget(ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(0)), NAMES)


def test_rows_and_distinct_rows_are_counted() -> None:
    target, pixels = MeteredImageTarget(module()), torch.rand(3, 1, 8, 8)
    target.predict(pixels)
    target.predict(pixels[[0, 0]])
    assert target.counts["attack"].to_dict() == {
        "rows_requested": 5,
        "rows_sent": 5,
        "distinct_rows": 3,
        "cache_hits": 0,
    }


def test_phases_are_counted_apart_and_end_with_their_block() -> None:
    target, pixels = MeteredImageTarget(module()), torch.rand(2, 1, 8, 8)
    with target.counting("training"):
        target.predict(pixels)
        with target.counting("reconstruction"):
            target.predict(pixels[:1])
        target.predict(pixels)
    target.predict(pixels[:1])
    assert {phase: counts.rows_sent for phase, counts in target.counts.items()} == {
        "training": 4,
        "check": 0,
        "reconstruction": 1,
        "attack": 1,
    }


def test_score_access_passes_probabilities_on() -> None:
    pixels = torch.rand(2, 1, 8, 8)
    assert torch.equal(MeteredImageTarget(module()).predict(pixels), module().predict(pixels))


def test_label_access_tells_the_predicted_class_alone() -> None:
    pixels = torch.rand(4, 1, 8, 8)
    answer = MeteredImageTarget(module(), "label").predict(pixels)
    assert torch.equal(answer.argmax(dim=-1), module().predict(pixels).argmax(dim=-1))
    assert torch.equal(answer.sort(dim=-1).values, torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3))


@pytest.mark.parametrize("access", ["score", "label"])
def test_logits_need_gradient_access(access: str) -> None:
    target = MeteredImageTarget(module(), access)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"expected gradient access to a target with logits, got {access} access"):
        target.logits(torch.rand(1, 1, 8, 8))
    assert target.counts["attack"].rows_sent == 0


def test_gradient_access_needs_logits() -> None:
    function = CallableTarget(lambda pixels: torch.full((len(pixels), 3), 1 / 3), NAMES)
    with pytest.raises(ValueError, match=r"expected a target with logits for gradient access, got CallableTarget"):
        MeteredImageTarget(function, "gradient")


def test_unknown_access_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected access to be one of score, label, gradient, got 'white'"):
        MeteredImageTarget(module(), "white")  # type: ignore[arg-type]


def test_every_row_of_pgd_is_counted() -> None:
    target = MeteredImageTarget(module(), "gradient")
    config = PgdConfig(0.0, 0.1, num_steps=3)
    pixels = torch.rand(4, 1, 8, 8)
    labels = target.target.predict(pixels).argmax(dim=-1)
    pgd(target.logits, pixels, labels, config=config, generator=torch.Generator().manual_seed(0))
    assert target.counts["attack"].rows_sent == 4 * (3 + 1)


def test_rows_that_are_refused_are_not_counted() -> None:
    target = MeteredImageTarget(module())
    with pytest.raises(ValueError, match="in row 0"):
        target.predict(torch.full((1, 1, 8, 8), 2.0))
    assert target.counts["attack"].rows_requested == 0


def test_counts_of_a_resumed_run_go_on() -> None:
    first, second, pixels = MeteredImageTarget(module()), MeteredImageTarget(module()), torch.rand(2, 1, 8, 8)
    first.predict(pixels)
    second.restore_counts({phase: counts.to_dict() for phase, counts in first.counts.items()})
    second.predict(pixels)
    assert second.counts["attack"].rows_sent == 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_logits_of_a_target_on_a_gpu_are_where_labels_are() -> None:
    target = MeteredImageTarget(module().to("cuda"), "gradient")
    pixels = torch.rand(2, 1, 8, 8, requires_grad=True)
    logits = target.logits(pixels)
    assert logits.device.type == "cpu"
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])), pixels)
    assert gradient.abs().sum() > 0
