from pathlib import Path

import pytest

from textsem.commands.parsing import command_parser, shown_command


@pytest.mark.parametrize(
    ("program", "usage"),
    [("textsem train target", "textsem train target"), ("python scripts/train_target.py", "train_target.py")],
)
def test_help_shows_the_example_as_it_is_typed(program: str, usage: str) -> None:
    shown = command_parser(program, "Train.", example="--data d \\\n        --output o").format_help()
    assert shown.startswith(
        f"usage: {usage} [-h]\n\nTrain.\n\nExample:\n    {program} --data d \\\n        --output o\n"
    )


def test_command_of_a_card_hides_folders_and_quotes_blanks(tmp_path: Path) -> None:
    given = ["--data", str(tmp_path / "snli.parquet"), "--machine", "two cores"]
    assert shown_command("textsem train target", given) == (
        "textsem train target --data snli.parquet --machine 'two cores'"
    )


def test_shown_command_tells_no_secret_of_an_address() -> None:
    given = ["--target", "HTTPS://user:secret@host:1/x?key=secret", "--filter-model=http://host/y?key=secret"]
    assert shown_command("textsem augment", given) == (
        "textsem augment --target https://host:1/x --filter-model=http://host/y"
    )
