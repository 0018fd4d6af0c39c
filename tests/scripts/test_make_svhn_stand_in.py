import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from images_ext.data.loading import load_images

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_svhn_stand_in.py"


def test_files_are_made_and_told(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    assert script.main(["--output", str(folder), "--num-train", "3", "--num-test", "2", "--seed", "4"]) == 0
    assert capsys.readouterr().out == f"3 train and 2 test images of the svhn stand-in in {folder}\n"
    assert [len(load_images("svhn", folder, split)) for split in ("train", "test")] == [3, 2]
    assert load_images("svhn", folder, "test").name == "svhn stand-in"


def test_wrong_number_is_one_line_and_nothing_is_made(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--output", str(tmp_path / "new"), "--num-test", "0"]) == 2
    assert capsys.readouterr().err == "error: expected at least 1 test image, got 0\n"
    assert not (tmp_path / "new").exists()


def test_help_loads_nothing_heavy() -> None:
    code = (
        f"import runpy, sys; sys.argv = ['make_svhn_stand_in.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        f"except SystemExit as end: assert end.code == 0\n"
        f"assert not {{'torch', 'numpy', 'scipy', 'matplotlib'}} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "--num-train" in shown.stdout
