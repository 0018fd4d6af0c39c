"""The package's lazy public names."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import textsem

MODULES: dict[str, str] = textsem._MODULES


@pytest.mark.parametrize("name", sorted(MODULES))
def test_public_name_is_the_object_of_its_module(name: str) -> None:
    assert getattr(textsem, name) is getattr(import_module(MODULES[name]), name)
    assert name in dir(textsem)


def test_list_for_the_type_checker_agrees_with_the_lazy_names() -> None:
    tree = ast.parse(inspect.getsource(textsem))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == MODULES
    assert set(textsem.__all__) == {*MODULES, "__version__"}


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'textsem' has no attribute 'nonsense'"):
        getattr(textsem, "nonsense")  # noqa: B009


def test_changelog_knows_the_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", textsem.__version__)
    changelog = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[({re.escape(textsem.__version__)}|Unreleased)\]", changelog, re.MULTILINE)
