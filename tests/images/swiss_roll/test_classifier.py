"""The target: stops where it is told to, and follows its seed."""

import pytest
import torch

from images_ext.swiss_roll.classifier import PointClassifier, PointClassifierConfig, train_point_classifier


def two_sides() -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    return points, (points[:, 0] > 0).long()


def trained(config: PointClassifierConfig, seed: int = 0) -> PointClassifier:
    return train_point_classifier(*two_sides(), config=config, generator=torch.Generator().manual_seed(seed))


def accuracy(model: PointClassifier) -> float:
    points, labels = two_sides()
    return (model.predict(points).argmax(dim=-1) == labels).double().mean().item()


def test_training_ends_at_the_accuracy_asked_for() -> None:
    low, high = (accuracy(trained(PointClassifierConfig((8,), stop_accuracy=stop))) for stop in (0.7, 0.98))
    assert 0.7 <= low < 0.98 <= high


def test_training_ends_after_its_steps() -> None:
    config = PointClassifierConfig((8,), stop_accuracy=1.0, max_steps=2)
    one, more = trained(config), trained(PointClassifierConfig((8,), stop_accuracy=1.0, max_steps=3))
    assert not torch.equal(one.layers[0].weight, more.layers[0].weight)  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [{"stop_accuracy": 0.0}, {"stop_accuracy": 1.5}, {"max_steps": -1}])
def test_wrong_settings_are_errors(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected "):
        PointClassifierConfig(**fields)  # type: ignore[arg-type]


def test_the_target_is_frozen_and_answers_probabilities() -> None:
    model = trained(PointClassifierConfig((8,)))
    answers = model.predict(torch.randn(5, 3))
    torch.testing.assert_close(answers.sum(dim=1), torch.ones(5))
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_seed_decides() -> None:
    config = PointClassifierConfig((8,), max_steps=2)
    points = two_sides()[0]
    one, same, other = (trained(config, seed)(points) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
