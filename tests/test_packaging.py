"""What makes the project installable, held together: dependencies, floors, files, names of machines."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# Folders of machines on which this was made, put together so that this file does not hold them itself.
MACHINE = re.compile("|".join(f"(?<![\\w.])/{name}/" for name in ("work", "root", "home/[a-z]+")))

OPTIONAL = {"sentence_transformers"}  # reads its folders' own way of pooling where it is installed; not needed


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict((normal(line.partition("==")[0]), line.partition("==")[2]) for line in lines if "==" in line)


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: a source distribution has no list of tracked files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_oldest_versions_are_the_floors_that_are_declared() -> None:
    oldest = pinned("constraints-oldest.txt")
    wanted = [*PROJECT["dependencies"], *EXTRAS["test"]]
    for requirement in map(Requirement, wanted):
        (floor,) = (spec.version for spec in requirement.specifier if spec.operator == ">=")
        release = ".".join([*floor.split("."), "0", "0"][:3])
        assert oldest[normal(requirement.name)] == release, requirement


def test_tested_versions_lie_in_the_ranges_that_are_declared() -> None:
    tested = pinned("constraints.txt")
    extras = [entry for name in ("test", "dev") for entry in EXTRAS[name] if not entry.startswith("textsem")]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras]):
        assert requirement.specifier.contains(tested[normal(requirement.name)]), requirement


def test_each_dependency_is_bounded_above() -> None:
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert any(spec.operator == "<" for spec in requirement.specifier), requirement


def test_whatever_the_package_imports_is_declared() -> None:
    declared = {normal(Requirement(entry).name) for entry in [*PROJECT["dependencies"], *EXTRAS["extras"]]}
    providers = packages_distributions()
    for path in sorted(file for package in ("textsem", "images_ext") for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {name.partition(".")[0] for name in names} - {
                "textsem",
                "images_ext",
                *OPTIONAL,
                *sys.stdlib_module_names,
            }:
                found = {normal(name) for name in providers.get(top, [top])}
                assert found & declared, f"{path.relative_to(ROOT)} imports {top}"


def test_command_and_types_are_part_of_the_package() -> None:
    assert (ROOT / "textsem" / "py.typed").is_file()
    assert PROJECT["scripts"] == {"textsem": "textsem.commands.console:main"}
    (entry,) = entry_points(group="console_scripts", name="textsem")
    assert callable(entry.load())


def test_no_tracked_file_names_a_folder_of_a_machine() -> None:
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            found = MACHINE.search(content.decode("utf-8", "replace"))
            assert found is None, f"{path.relative_to(ROOT)}: {found and found[0]}"


def test_nothing_is_tracked_that_is_made_anew() -> None:
    made = {".pyc", ".pt", ".bin", ".pkl", ".ckpt", ".log"}
    assert [path for path in tracked_files() if path.suffix in made] == []
    weights = {path.relative_to(ROOT).parts[:2] for path in tracked_files() if path.suffix == ".safetensors"}
    assert weights == {("textsem", "assets"), ("images_ext", "assets")}
