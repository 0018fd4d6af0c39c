"""The options of the script are the fields of the job, and what is wrong ends it with one line."""

from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from images_ext.training.adversary_run import ImageAdversaryJob

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_image_adversary.py"


def test_every_field_of_a_job_has_its_option(script: ModuleType, tmp_path: Path) -> None:
    options = vars(script.parse_arguments(["--dataset", "mnist", "--output", str(tmp_path)]))
    assert options.pop("num_threads") == 2
    job = ImageAdversaryJob(**options, command="a command")
    assert {field.name for field in fields(job)} == {*options, "command"}
    assert (job.adversarial_steps, job.epsilon, job.norm) == (None, None, None)  # the preset's


def test_data_that_is_not_there_is_named(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--dataset",
        "mnist",
        "--data",
        str(tmp_path / "none"),
        "--output",
        str(tmp_path),
        "--num-threads",
        "1",
    ]
    assert script.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: expected ")
    assert str(tmp_path / "none") in error


def test_card_names_no_folder_of_the_machine(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jobs: list[ImageAdversaryJob] = []
    monkeypatch.setattr("images_ext.training.adversary_run.run_image_adversary_job", jobs.append)
    output = tmp_path / "made"
    assert (
        script.main(["--dataset", "mnist", "--data", str(tmp_path), "--output", str(output), "--num-threads", "1"]) == 0
    )
    assert jobs[0].command == (
        f"python scripts/train_image_adversary.py --dataset mnist --data {tmp_path.name} --output made --num-threads 1"
    )
