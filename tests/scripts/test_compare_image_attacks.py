"""What is wrong with the options ends the comparison of attacks on images with one line."""

from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_image_attacks.py"


@pytest.mark.parametrize("content", ["[1, 2]", "{", "7"])
def test_options_that_are_no_object_are_told(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "options.json").write_text(content)
    given = ["--judge", "bundled", "--attack-options", str(tmp_path / "options.json"), "--output", str(tmp_path)]
    assert script.main(given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: expected a JSON object in ")
    assert error.count("\n") == 1
