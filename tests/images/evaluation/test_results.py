import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from images_ext.attacks.runner import AttackedChunk
from images_ext.evaluation.results import IMAGES_NAME, RESULTS_NAME, ImageRunFiles, read_results, to_line
from images_ext.outputs import ImageAttackResult

INPUTS = torch.arange(5 * 4, dtype=torch.uint8).reshape(5, 1, 2, 2)
SETTINGS = {"seed": 0, "moves": {"num_particles": 5}}


def result(index: int) -> ImageAttackResult:
    return ImageAttackResult(
        index=index,
        label="3",
        prediction="3",
        status="success",
        adversarial_prediction="5",
        scores={"original": {"3": 2 / 3, "5": 1 / 3}, "adversarial": {"3": 0.1, "5": 0.9}},
        queries=7,
        distance={"l2": math.sqrt(2), "linf": 0.3},
        flip_distance={"l2": math.sqrt(2), "linf": None},
        is_reconstruction_flipped=False,
    )


def chunk(start: int, stop: int) -> AttackedChunk:
    images = INPUTS[start:stop]
    return AttackedChunk(tuple(map(result, range(start, stop))), images + 100, images + 200)


def files(folder: Path, *, resume: bool = True, **settings: object) -> ImageRunFiles:
    return ImageRunFiles(folder, {**SETTINGS, **settings}, INPUTS, resume=resume)


def finish(folder: Path, *, chunks: tuple[tuple[int, int], ...] = ((0, 3), (3, 5)), resume: bool = True) -> None:
    with files(folder, resume=resume) as run:
        for start, stop in chunks:
            if start >= run.num_done:
                run.write(chunk(start, stop))
        run.finish()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_lines_come_back_with_exact_distances_and_rounded_probabilities(tmp_path: Path) -> None:
    path = tmp_path / RESULTS_NAME
    path.write_bytes(to_line(result(0)) + to_line(result(1)))
    back = read_results(path)
    assert back[1].distance == result(1).distance
    assert back[1].scores == {"original": {"3": 0.666667, "5": 0.333333}, "adversarial": {"3": 0.1, "5": 0.9}}
    assert to_line(back[0]) == to_line(result(0))


def test_number_that_is_not_finite_makes_its_line_an_error(tmp_path: Path) -> None:
    path = tmp_path / RESULTS_NAME
    path.write_bytes(to_line(replace(result(0), distance={"l2": math.nan})))
    (back,) = read_results(path)
    assert (back.status, back.distance, back.prediction) == ("error", None, "3")
    assert back.message == "expected finite numbers, got nan"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"index": 0}\n', "expected fields"),
        (b"nonsense\n", "whole JSON line 0"),
        (to_line(result(1)), "about image 0, got 1"),
        (to_line(result(0))[:-1], "without its end"),
        (to_line(result(0)).replace(b"success", b"unclear"), "expected fields"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / RESULTS_NAME
    path.write_bytes(line)
    with pytest.raises(ValueError, match=message):
        read_results(path)


def test_finished_run_holds_inputs_reconstructions_and_adversarials(tmp_path: Path) -> None:
    finish(tmp_path)
    images = load_file(tmp_path / IMAGES_NAME)
    assert torch.equal(images["inputs"], INPUTS)
    assert torch.equal(images["reconstructions"], INPUTS + 100)
    assert torch.equal(images["adversarials"], INPUTS + 200)
    assert len(read_results(tmp_path / RESULTS_NAME)) == 5
    assert {path.name for path in tmp_path.iterdir()} == {RESULTS_NAME, IMAGES_NAME, "settings.json"}


@pytest.mark.parametrize(
    ("cut_line", "cut_images", "num_done"),
    [(0, 0, 3), (5, 0, 2), (0, 3, 2), (0, 8, 2), (0, 17, 0), (10_000, 0, 0)],
)
def test_a_run_that_was_cut_off_anywhere_ends_in_the_same_bytes(
    tmp_path: Path, cut_line: int, cut_images: int, num_done: int
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    finish(whole)
    with files(cut) as run:
        run.write(chunk(0, 3))
    for name, missing in ((RESULTS_NAME, cut_line), ("images.part", cut_images)):
        content = (cut / name).read_bytes()
        (cut / name).write_bytes(content[: max(0, len(content) - missing)])
    with files(cut) as run:
        assert run.num_done == num_done
    finish(cut, chunks=((num_done, 4), (4, 5)))
    assert contents(cut) == contents(whole)


def test_finished_run_is_left_as_it_is_or_begun_anew(tmp_path: Path) -> None:
    finish(tmp_path)
    before = contents(tmp_path)
    finish(tmp_path, chunks=())
    assert contents(tmp_path) == before
    with files(tmp_path, resume=False) as run:
        assert run.num_done == 0
    assert not (tmp_path / IMAGES_NAME).exists()


def test_other_settings_do_not_continue_a_run(tmp_path: Path) -> None:
    with files(tmp_path) as run:
        run.write(chunk(0, 2))
    with pytest.raises(ValueError, match="expected seed 0 as in the run to be resumed, got 1"):
        files(tmp_path, seed=1)
    with pytest.raises(ValueError, match="at most 1 lines"):
        ImageRunFiles(tmp_path, SETTINGS, INPUTS[:1], resume=True)
    (tmp_path / "settings.json").unlink()
    with pytest.raises(ValueError, match=r"settings\.json beside results\.jsonl"):
        files(tmp_path)


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    with files(tmp_path), pytest.raises(ValueError, match="no other run writes to"):
        files(tmp_path)
    with files(tmp_path):
        pass


def test_results_must_follow_each_other_and_be_complete(tmp_path: Path) -> None:
    with files(tmp_path) as run:
        with pytest.raises(ValueError, match=r"image 0 next, got \[1\]"):
            run.write(chunk(1, 3))
        run.write(chunk(0, 3))
        with pytest.raises(ValueError, match="expected 5 lines, one an image, got 3"):
            run.finish()
