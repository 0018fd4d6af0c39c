"""The picture is written whole, small enough, and refuses codes that have no plane."""

from pathlib import Path

import pytest
import torch

from images_ext.swiss_roll.attacks import AttackedPoints
from images_ext.swiss_roll.classifier import standardise
from images_ext.swiss_roll.experiment import OURS, PGD, SwissRollRun
from images_ext.swiss_roll.figure import write_figure
from images_ext.swiss_roll.measurement import measure
from images_ext.swiss_roll.surface import SwissRoll


def a_run(latent: int, *, is_flipped: bool = True) -> SwissRollRun:
    roll = SwissRoll.draw(20, seed=0)
    inputs = standardise(roll.points)
    attack = AttackedPoints(inputs, torch.full((20,), is_flipped), torch.ones(20, dtype=torch.int64))
    attacks = {name: measure(attack, inputs, roll.labels) for name in (OURS, PGD)}
    codes = inputs[:, :1].expand(-1, latent)
    return SwissRollRun(0, attacks, roll.labels, dict.fromkeys(attacks, codes), codes, {})


@pytest.mark.parametrize("is_flipped", [True, False])
def test_a_figure_is_a_png(is_flipped: bool, tmp_path: Path) -> None:
    write_figure(tmp_path / "figure.png", a_run(2, is_flipped=is_flipped))
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_codes_of_three_dimensions_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected codes of 2 dimensions to draw, got 3"):
        write_figure(tmp_path / "figure.png", a_run(3))
