"""A folder is read back as it was written, or told off by the name of the file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from images_ext.evaluation.finished_run import is_flip, read_run, was_attacked
from tests.images.evaluation.made_up_runs import line, write_run


def test_folder_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lines = [line(0, "flip"), line(1, "resists"), line(2, "skipped"), line(3, "error")]
    run = write_run(tmp_path, lines, seconds=1.5)
    assert run.results == tuple(result for result, _, _ in lines)
    assert torch.equal(run.adversarials, torch.stack([changed for _, _, changed in lines]))
    assert run.summary["seconds"] == 1.5
    assert run.source == "adversarial"
    assert [was_attacked(result) for result in run.results] == [True, True, False, False]
    assert [is_flip(result) for result in run.results] == [True, False, False, False]


@pytest.mark.parametrize("name", ["results.jsonl", "images.safetensors", "summary.json"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, [line(0, "flip")])
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"expected {name} in "):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.jsonl", b'{"index": 0', "expected a JSON object in line 1 of .*results.jsonl"),
        ("results.jsonl", b"[1]\n", "expected the fields of a result in line 1 of .*results.jsonl"),
        ("results.jsonl", b'{"status": "success"}\n', "expected the fields of a result in line 1 .* missing"),
        ("results.jsonl", b"\xff\n", "expected UTF-8 in .*results.jsonl"),
        ("images.safetensors", b"no tensors", "expected safetensors in .*images.safetensors"),
        ("summary.json", b"[]", "expected a JSON object in .*summary.json, got list"),
        ("summary.json", b"{", "expected a JSON object in .*summary.json"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    write_run(tmp_path, [line(0, "flip")])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_run(tmp_path)


def test_line_out_of_order_is_told_by_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected index 1 in line 2 of .*results.jsonl, got 2"):
        write_run(tmp_path, [line(0, "flip"), line(2, "flip")])


def test_images_that_do_not_fit_the_lines_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path, [line(0, "flip"), line(1, "resists")])
    path = tmp_path / "images.safetensors"
    images = load_file(path)
    save_file({**images, "inputs": images["inputs"][:1].clone()}, path)
    with pytest.raises(ValueError, match=r"expected inputs, reconstructions, adversarials of uint8 \[2, "):
        read_run(tmp_path)
