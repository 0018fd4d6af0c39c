"""What the page shows: drawn by the seed, sorted by what came out."""

from pathlib import Path

import pytest

from images_ext.evaluation.examples import NUM_OTHERS, NUM_SUCCESSES, STRIP_WIDTH, _side, example_groups
from images_ext.evaluation.grids import difference_image, png_uri
from images_ext.evaluation.judged_folders import judged_run
from tests.images.evaluation.made_up_runs import SETTINGS, line, write_judged_run, write_run


def shown(folder: Path, seed: int) -> list[list[int]]:
    lines = [line(i, "flip" if i < 60 else "resists") for i in range(90)]
    groups = example_groups(judged_run(write_run(folder, lines, settings={**SETTINGS, "seed": seed})))
    return [[example.index for strip in group.strips for example in strip] for group in groups]


def test_what_is_shown_follows_the_seed_alone(tmp_path: Path) -> None:
    first = shown(tmp_path / "a", 0)
    assert first == shown(tmp_path / "b", 0) != shown(tmp_path / "c", 1)
    assert [len(group) for group in first] == [NUM_SUCCESSES, NUM_OTHERS]
    assert max(first[0]) < 60 <= min(first[1])


def test_groups_sort_images_by_what_came_out(tmp_path: Path) -> None:
    lines = [
        line(0, "flip"),
        line(1, "flip", judged_after=1),
        line(2, "flip", judged_before=2, judged_after=0),
        line(3, "flip", shift=100),
        line(4, "resists"),
        line(5, "skipped"),
        line(6, "error"),
    ]
    groups = example_groups(write_judged_run(tmp_path, lines))
    found = [(group.title, [example.index for strip in group.strips for example in strip]) for group in groups]
    assert found == [
        ("joint successes", [0]),
        ("flips that the judge rejects", [1, 2]),
        ("flips outside the ball", [3]),
        ("images that resisted", [4]),
    ]


def test_example_holds_the_very_images_and_what_was_said_about_them(tmp_path: Path) -> None:
    run = write_judged_run(tmp_path, [line(0, "flip", judged_after=1)])
    ((example,),) = example_groups(run)[0].strips
    x, x_adv = run.run.inputs[0], run.run.adversarials[0]
    assert example.pictures["input"] == png_uri(x)
    assert example.pictures["adversarial"] == png_uri(x_adv)
    assert example.pictures["difference"] == png_uri(difference_image(x, x_adv))
    assert example.notes == {
        "input": "cat",
        "clean reconstruction": "cat",
        "adversarial": "dog 80%",
        "difference": "judge: dog",
    }


@pytest.mark.parametrize("width", [6, 28, 32, 64, 200])
def test_pixels_are_shown_as_whole_squares(width: int) -> None:
    assert _side(width) % width == 0
    assert 80 <= _side(width) <= max(STRIP_WIDTH, width)
