from pathlib import Path
from pickle import UnpicklingError

import pytest
import torch
from torch import nn

from textsem.runs.checkpoint import (
    TRAINING_STATE_FILE,
    TrainingParts,
    has_training_state,
    load_training_state,
    save_training_state,
)


def build(seed: int) -> tuple[nn.Module, torch.optim.Optimizer, torch.Generator]:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    return module, torch.optim.Adam(module.parameters(), lr=0.1), torch.Generator().manual_seed(seed)


def step(module: nn.Module, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> None:
    loss = module(torch.randn(5, 3, generator=generator)).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def save(folder: Path, module: nn.Module, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> None:
    save_training_state(folder, {"net": module}, {"adam": optimiser}, {"data": generator}, {"step": 3, "log": [0.5]})


def test_resumed_steps_equal_uninterrupted_ones(tmp_path: Path) -> None:
    first = build(0)
    for _ in range(3):
        step(*first)
    save(tmp_path, *first)
    for _ in range(3):
        step(*first)
    second = build(1)
    extra = load_training_state(tmp_path, {"net": second[0]}, {"adam": second[1]}, {"data": second[2]})
    for _ in range(3):
        step(*second)
    assert extra == {"step": 3, "log": [0.5]}
    for name, value in first[0].state_dict().items():
        assert torch.equal(value, second[0].state_dict()[name]), name


def test_parts_that_take_turns_in_naming_themselves_are_saved_and_put_back_together(tmp_path: Path) -> None:
    def named(seed: int) -> TrainingParts:
        module, optimiser, generator = build(seed)
        parts = TrainingParts({"net": module}, {"adam": optimiser}, {"data": generator})
        parts.modules["other"] = nn.Linear(2, 1)
        step(module, optimiser, generator)
        return parts

    first, second = named(0), named(1)
    first.save(tmp_path, {"settings": {"seed": 0}})
    with pytest.raises(ValueError, match="seed of 0, got 1"):
        second.load(tmp_path, settings={"seed": 1})
    assert second.load(tmp_path, settings={"seed": 0}) == {"settings": {"seed": 0}}
    for name, module in first.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(second.modules[name].state_dict()[key], value)
    for step_of_adam in ("exp_avg", "exp_avg_sq"):
        ours, theirs = (parts.optimisers["adam"].state_dict()["state"][0][step_of_adam] for parts in (first, second))
        assert torch.equal(ours, theirs)
    assert torch.equal(first.generators["data"].get_state(), second.generators["data"].get_state())


def test_state_is_replaced_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert not has_training_state(folder)
    parts = build(0)
    save(folder, *parts)
    save(folder, *parts)
    assert has_training_state(folder)
    assert [path.name for path in folder.iterdir()] == [TRAINING_STATE_FILE]


def test_failed_save_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = build(0)
    save(tmp_path, *parts)
    before = (tmp_path / TRAINING_STATE_FILE).read_bytes()

    def fail(state: object, file: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, *parts)
    assert (tmp_path / TRAINING_STATE_FILE).read_bytes() == before


def test_missing_state_names_and_shapes_are_refused(tmp_path: Path) -> None:
    module, optimiser, generator = build(0)
    with pytest.raises(ValueError, match="expected a training state"):
        load_training_state(tmp_path, {"net": module}, {"adam": optimiser}, {"data": generator})
    save(tmp_path, module, optimiser, generator)
    with pytest.raises(ValueError, match=r"expected modules \['net'\]"):
        load_training_state(tmp_path, {"other": module}, {"adam": optimiser}, {"data": generator})
    with pytest.raises(ValueError, match="weights of net"):
        load_training_state(tmp_path, {"net": nn.Linear(3, 4)}, {"adam": optimiser}, {"data": generator})


def test_nothing_but_plain_data_is_read(tmp_path: Path) -> None:
    torch.save({"modules": Path}, tmp_path / TRAINING_STATE_FILE)
    with pytest.raises(UnpicklingError, match="Weights only load failed"):
        load_training_state(tmp_path, {}, {}, {})
