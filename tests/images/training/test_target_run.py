from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from images_ext.attacks.pgd import PgdConfig
from images_ext.targets.loading import load_image_target, read_target_facts
from images_ext.targets.residual import ResidualNetwork
from images_ext.training.target_config import ImageTargetTrainingConfig
from images_ext.training.target_run import ImageTargetRun
from tests.images.targets.networks import TINY_RESIDUAL
from tests.images.training.target_images import striped

PLAIN = ImageTargetTrainingConfig(
    num_epochs=2, batch_size=8, learning_rate=0.02, num_dev_images=10, num_watched=4, rise=0.25
)
ROBUST = replace(
    PLAIN,
    attack=PgdConfig(0.1, 0.06, num_steps=1),
    attack_start="previous",
    epsilon_epochs=1.0,
    last_attack=PgdConfig(0.1, 0.02, num_steps=3),
    num_last_images=16,
)
SETTINGS = {"training": "these"}


def make(folder: Path, config: ImageTargetTrainingConfig, *, number: int = 50, every: int = 1000) -> ImageTargetRun:
    network = ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(0))
    return ImageTargetRun(network, striped(number), config, folder, settings=SETTINGS, checkpoint_every=every)


def test_last_images_are_kept_aside(tmp_path: Path) -> None:
    run = make(tmp_path, PLAIN)
    assert torch.equal(run.train_images.images, striped(50).images[:40])
    assert torch.equal(run.dev_images.images, striped(50).images[40:])
    assert (run.epoch_steps, run.main_steps, run.num_steps) == (5, 10, 10)


def test_each_image_comes_once_an_epoch_in_another_order(tmp_path: Path) -> None:
    run = make(tmp_path, ROBUST)
    seen: list[Tensor] = []
    for step in range(run.num_steps):
        run.progress.step = step
        seen.append(run._places(run._order()))
    first, second = torch.cat(seen[:5]), torch.cat(seen[5:10])
    assert first.sort().values.tolist() == list(range(40)) == second.sort().values.tolist()
    assert not torch.equal(first, second)
    last = torch.cat(seen[10:])
    assert len(set(last.tolist())) == 16


def test_step_size_rises_then_falls_to_nothing(tmp_path: Path) -> None:
    run = make(tmp_path, PLAIN)
    rates = [run.learning_rate(step) for step in range(run.num_steps + 1)]
    assert max(rates) == pytest.approx(0.02)
    assert rates[:2] == sorted(rates[:2])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == 0.0
    assert min(rates[:-1]) > 0.0


def test_radius_grows_to_its_value_and_the_last_stage_has_its_own_attack(tmp_path: Path) -> None:
    run = make(tmp_path, ROBUST)
    radii = [attack.epsilon for step in range(run.num_steps) if (attack := run.attack(step)) is not None]
    assert radii[:5] == sorted(set(radii[:5]))
    assert 0 < radii[0] < radii[4] < 0.1
    assert radii[5:] == [0.1] * 7
    assert run.attack(3).step_size / run.attack(3).epsilon == pytest.approx(0.6)  # type: ignore[union-attr]
    assert [run.attack(step) == ROBUST.last_attack for step in (9, 10, 11)] == [False, True, True]


def test_plain_training_learns_the_stripes(tmp_path: Path) -> None:
    run = make(tmp_path, replace(PLAIN, num_epochs=30))
    assert run.train(max_minutes=None)
    assert run.progress.metrics[-1]["dev_accuracy"] >= 0.9
    assert "dev_robust_accuracy" not in run.progress.metrics[-1]


def test_every_step_trains_on_images_in_the_ball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(tmp_path, ROBUST)
    asked: list[tuple[bool, Tensor]] = []
    forward = run.network.forward

    def ask(pixels: Tensor) -> Tensor:
        asked.append((run.network.training, pixels))
        return forward(pixels)

    monkeypatch.setattr(run.network, "forward", ask)
    for step in range(run.num_steps):
        run.progress.step = step
        places, attack = run._places(run._order()), run.attack(step)
        asked.clear()
        run._step(places)
        (trained,) = [pixels for is_training, pixels in asked if is_training]
        difference = (trained - run.train_images.pixels(places)).abs()
        assert attack is not None
        assert 0.0 < float(difference.max()) <= attack.epsilon + 1e-6
        assert len(asked) == attack.num_steps + 1


def test_each_image_goes_on_from_its_own_last_attack(tmp_path: Path) -> None:
    run = make(tmp_path, ROBUST)
    places = torch.arange(8)
    run.progress.step = 5
    run._step(places)
    assert run.stored is not None
    kept = run.stored.values[places].float()
    assert bool(run.stored.is_known[:8].all())
    assert not bool(run.stored.is_known[8:].any())
    assert 0.0 < float(kept.abs().max()) <= 0.1 + 1e-4
    run.progress.step = 10
    run._step(places)
    assert torch.equal(run.stored.values[places].float(), kept)  # the last stage starts anywhere, and keeps nothing


@pytest.mark.parametrize("stop", [3, 5, 7, 11])
def test_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, stop: int) -> None:
    straight = make(tmp_path / "straight", ROBUST)
    straight.train(max_minutes=None)
    killed = make(tmp_path / "killed", ROBUST, every=1)
    order = killed._order()
    while killed.progress.step < stop:
        killed._step(killed._places(order))
        killed.progress.step += 1
        if killed.progress.step % killed.epoch_steps == 0:
            killed._finish_epoch()
            order = killed._order()
    killed.save()
    resumed = make(tmp_path / "killed", ROBUST)
    torch.manual_seed(99)
    resumed.resume()
    assert resumed.train(max_minutes=None)
    for name, value in straight.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    timeless = [[{**line, "seconds": 0} for line in run.progress.metrics] for run in (straight, resumed)]
    assert timeless[0] == timeless[1]


def test_run_stops_when_time_is_up_and_can_go_on(tmp_path: Path) -> None:
    run = make(tmp_path, PLAIN)
    assert not run.train(max_minutes=0.0)
    assert run.progress.step == 1
    resumed = make(tmp_path, PLAIN)
    resumed.resume()
    assert asdict(resumed.progress) == asdict(run.progress)


def test_model_is_loadable_whenever_a_state_is_saved(tmp_path: Path) -> None:
    run = make(tmp_path, ROBUST)
    run.save()
    pixels = torch.rand(2, 1, 8, 8)
    assert torch.equal(load_image_target(tmp_path).logits(pixels), run.network.eval()(pixels))
    facts = read_target_facts(tmp_path)
    assert (facts.norm, facts.epsilon, facts.label_names) == ("linf", 0.1, ("top", "middle", "bottom"))
    assert facts.data == "stripes, 40 images of split train"


def test_other_settings_are_not_resumed(tmp_path: Path) -> None:
    run = make(tmp_path, PLAIN)
    run.save()
    run.settings = {"training": "those"}
    with pytest.raises(ValueError, match=r"training of 'these', got 'those'"):
        run.resume()


def test_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    run = make(tmp_path, PLAIN)
    torch.nn.init.constant_(run.network.head.bias, torch.nan)
    with pytest.raises(FloatingPointError, match=r"expected a finite loss, got nan at step 0"):
        run.train(max_minutes=None)


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 18 images or more, got 17"):
        make(tmp_path, PLAIN, number=17)
