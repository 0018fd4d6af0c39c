"""The figure shows what was measured, in colours that differ, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from tests.evaluation.measured_arms import CLEAN, UNSEEN, measurements
from textsem.evaluation.augmentation_figure import COLORS, MARKERS, PLAIN_COLOR, draw_arms


def pixels(path: Path, color: str) -> int:
    """Count the pixels of a colour, those of a quarter's tolerance among 256 steps."""
    image = imread(path)[..., :3]
    near = abs(image - to_rgb(color)).max(axis=-1) < 1 / 256
    return int(near.sum())


def drawn(folder: Path, measured: dict[str, Any]) -> Path:
    path = folder / "figure.png"
    draw_arms(path, measured)
    return path


def test_every_arm_has_its_colour_and_an_arm_without_figures_none(tmp_path: Path) -> None:
    path = drawn(tmp_path, measurements())
    colors = (PLAIN_COLOR, *COLORS[:4])
    assert all(pixels(path, color) > 1000 for color in colors)
    assert pixels(path, COLORS[4]) == 0
    measured = measurements()
    del measured["right"]["ours"]
    path = drawn(tmp_path, measured)
    assert pixels(path, COLORS[3]) == 0
    assert pixels(path, COLORS[2]) > 1000


def test_bars_grow_with_accuracy(tmp_path: Path) -> None:
    low = pixels(drawn(tmp_path, measurements({**UNSEEN, "ours": (20, 20, 20)})), COLORS[3])
    high = pixels(drawn(tmp_path, measurements({**UNSEEN, "ours": (80, 80, 80)})), COLORS[3])
    assert high > 2.5 * low


@pytest.mark.parametrize("num_attacks", [0, 1, 3, 7])
def test_any_number_of_attacks_is_drawn(tmp_path: Path, num_attacks: int) -> None:
    measured = measurements()
    del measured["sets"]["swaps"], measured["sets"]["typos"]
    for number in range(num_attacks):
        name = f"attack {number}"
        measured["sets"][name] = {"kind": "unseen", "rows": 4, "source": "x"}
        for arm in measured["right"].values():
            for seed in arm.values():
                seed[name] = "1100"
    path = drawn(tmp_path, measured)
    assert (pixels(path, COLORS[3]) > 0) == (num_attacks > 0)


def test_ten_arms_can_be_told_apart(tmp_path: Path) -> None:
    names = [f"ours {number}" for number in range(6)]
    measured = measurements(
        {**UNSEEN, **dict.fromkeys(names, (40, 41, 42))}, {**CLEAN, **dict.fromkeys(names, (800, 801, 802))}
    )
    drawn(tmp_path, measured)
    styles = {(COLORS[i % len(COLORS)], MARKERS[(i + 1) % len(MARKERS)]) for i in range(10)}
    assert len(styles) == 10
