from collections.abc import Callable
from pathlib import Path

import pytest

from textsem.commands import train_arae, train_target
from textsem.commands.preconditions import check_output


@pytest.mark.parametrize("name", ["", "new", "new/newer"])
def test_folder_that_can_be_made_passes_and_is_not_made(name: str, tmp_path: Path) -> None:
    check_output(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file", "file/new"])
def test_file_in_the_place_of_a_folder_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=f"got {tmp_path / name}: Not a directory; name another one or see to .*file$"):
        check_output(tmp_path / name)


@pytest.mark.parametrize(
    ("main", "more"), [(train_target.main, []), (train_arae.main, ["--held-out", "no/such/dev.jsonl"])]
)
def test_training_tries_its_folder_before_it_reads_data(
    main: Callable[[list[str]], int], more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["--data", "no/such.jsonl", "--output", str(tmp_path / "file"), *more]) == 2
    assert capsys.readouterr().err.startswith("error: expected a folder that files can be written to, got ")
