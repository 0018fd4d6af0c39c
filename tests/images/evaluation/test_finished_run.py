"""A folder is read back as it was written, or told off by the name of the file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from images_ext.evaluation.finished_run import is_flip, read_run, was_attacked
from tests.images.evaluation.made_up_runs import SETTINGS, line, write_run


def test_folder_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lines = [line(0, "flip"), line(1, "resists"), line(2, "skipped"), line(3, "error")]
    run = write_run(tmp_path, lines, seconds=1.5)
    assert run.results == tuple(result for result, _, _ in lines)
    assert torch.equal(run.adversarials, torch.stack([changed for _, _, changed in lines]))
    assert run.summary["seconds"] == 1.5
    assert [was_attacked(result) for result in run.results] == [True, True, False, False]
    assert [is_flip(result) for result in run.results] == [True, False, False, False]


@pytest.mark.parametrize(
    ("settings", "name", "is_control"),
    [
        (SETTINGS, "E'", False),
        ({**SETTINGS, "source": "isotropic"}, "isotropic noise", True),
        ({**SETTINGS, "attack": "pgd"}, "PGD", False),
        ({}, "some_folder", False),
    ],
)
def test_run_is_named_by_what_it_did(tmp_path: Path, settings: dict[str, str], name: str, is_control: bool) -> None:
    run = write_run(tmp_path / "some_folder", [line(0, "flip")], settings=settings)
    assert (run.name, run.is_control) == (name, is_control)


@pytest.mark.parametrize("name", ["results.jsonl", "images.safetensors", "summary.json"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, [line(0, "flip")])
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"expected the folder of a finished run with {name}, got "):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.jsonl", b'{"index": 0', "expected a whole JSON line 0 of .*results.jsonl"),
        ("images.safetensors", b"no tensors", "expected safetensors in .*images.safetensors"),
        ("summary.json", b"[]", "expected a JSON object in .*summary.json, got list"),
        ("summary.json", b"{", "expected a JSON object in .*summary.json"),
        ("summary.json", b"\xff", "expected a JSON object in .*summary.json"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    write_run(tmp_path, [line(0, "flip")])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_run(tmp_path)


def test_images_that_do_not_fit_the_lines_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path, [line(0, "flip"), line(1, "resists")])
    path = tmp_path / "images.safetensors"
    images = load_file(path)
    save_file({**images, "inputs": images["inputs"][:1].clone()}, path)
    with pytest.raises(ValueError, match=r"expected inputs, reconstructions, adversarials of uint8 \[2, "):
        read_run(tmp_path)
