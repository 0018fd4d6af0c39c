"""The image extension's lazy public names."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import images_ext

MODULES: dict[str, str] = images_ext._MODULES
HEAVY = {"datasets", "matplotlib", "numpy", "PIL", "scipy", "sklearn", "torch", "transformers"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_public_name_is_the_object_of_its_module(name: str) -> None:
    assert getattr(images_ext, name) is getattr(import_module(MODULES[name]), name)
    assert name in dir(images_ext)


def test_list_for_the_type_checker_agrees_with_the_lazy_names() -> None:
    tree = ast.parse(inspect.getsource(images_ext))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == MODULES
    assert set(images_ext.__all__) == set(MODULES)


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'images_ext' has no attribute 'nonsense'"):
        getattr(images_ext, "nonsense")  # noqa: B009


def test_import_of_the_package_loads_nothing_heavy() -> None:
    program = "import sys, images_ext; print(*sys.modules)"
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "images_ext" in loaded
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith("images_ext.")}
