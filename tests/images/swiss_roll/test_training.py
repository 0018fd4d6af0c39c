"""Three stages of training: what each one changes, and whom it asks."""

from dataclasses import replace

import torch
from torch import Tensor

from images_ext.swiss_roll.adversary import PointAdversaryConfig
from images_ext.swiss_roll.training import TrainedAdversary, train_point_adversary
from tests.images.swiss_roll.toys import TINY


def trained(config: PointAdversaryConfig, asked: list[int] | None = None, seed: int = 0) -> TrainedAdversary:
    points = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    labels = (points[:, 0] > 0).long()

    def predict(inputs: Tensor) -> Tensor:
        assert not inputs.requires_grad
        if asked is not None:
            asked.append(len(inputs))
        return torch.nn.functional.pad(inputs[:, :1], (1, 2)).softmax(dim=-1)

    generator = torch.Generator().manual_seed(seed)
    return train_point_adversary(points, labels, predict, config=config, generator=generator)


def test_every_row_that_the_target_is_sent_is_counted() -> None:
    asked: list[int] = []
    found = trained(replace(TINY, learner=replace(TINY.learner, epsilon=100.0)), asked)
    rows = TINY.batch_size * (1 + 2 * TINY.evolution_pairs)
    assert found.rows_sent == sum(asked) == TINY.adversarial_steps * TINY.learner.num_inner_updates * rows


def test_a_ball_of_radius_zero_never_asks_the_target() -> None:
    assert trained(replace(TINY, learner=replace(TINY.learner, epsilon=0.0))).rows_sent == 0


def test_without_the_third_stage_the_target_is_never_asked_and_gbsm_moves_codes() -> None:
    asked: list[int] = []
    model = trained(replace(TINY, adversarial_steps=0, manifold_steps=5), asked).model
    z, z_adv = model.codes(torch.randn(6, 3), *model.draw_particles(2, torch.Generator().manual_seed(0)))
    assert asked == []
    assert not torch.allclose(z, z_adv)


def test_the_first_stage_brings_its_loss_down() -> None:
    config = replace(TINY, manifold_steps=0, adversarial_steps=0, learning_rate=3e-2)
    short, long = (trained(replace(config, reconstruction_steps=steps)) for steps in (1, 60))
    assert long.losses["reconstruction"]["reconstruction"] < 0.5 * short.losses["reconstruction"]["reconstruction"]
    assert set(long.losses) == {"reconstruction"}


def test_the_seed_decides() -> None:
    one, same, other = (trained(TINY, seed=seed) for seed in (0, 0, 1))
    states = [found.model.state_dict() for found in (one, same, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["decoder.0.weight"], states[2]["decoder.0.weight"])
    assert one.losses == same.losses
