"""What `make check-wheel` says of a wheel's files."""

import zipfile
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "packaging" / "check_wheel.py"
INFO = "textsem-0.1.0.dist-info"


def write_wheel(root: Path, names: list[str]) -> Path:
    wheel = root / "textsem-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
        archive.writestr(f"{INFO}/METADATA", "Name: textsem\n\nread me\n")
        archive.writestr(f"{INFO}/licenses/LICENSE", "free")
    return wheel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("textsem/a.py", "textsem/__pycache__/a.pyc", "images_ext/assets/b.json", "tests/test_a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "README.md").write_text("read me\n")
    (tmp_path / "LICENSE").write_text("free")
    return tmp_path


def test_files_of_both_packages_and_nothing_else_pass(script: ModuleType, root: Path) -> None:
    script.check_contents(write_wheel(root, ["textsem/a.py", "images_ext/assets/b.json"]), root)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["textsem/a.py"], "expected every file of the packages in .*, got none of images_ext/assets/b.json"),
        (["images_ext/assets/b.json"], "expected every file of the packages in .*, got none of textsem/a.py"),
        (
            ["textsem/a.py", "images_ext/assets/b.json", "tests/test_a.py"],
            "expected the packages alone in .*, got tests/test_a.py too",
        ),
    ],
)
def test_file_that_is_missing_or_strange_is_named(
    names: list[str], message: str, script: ModuleType, root: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        script.check_contents(write_wheel(root, names), root)
