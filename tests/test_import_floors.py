"""Imports point down: the floors of the house, read from every file's syntax tree."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A part is a file or a folder right under textsem/.
FLOORS = {
    "protocols": 0,
    "outputs": 0,
    "runs": 0.5,
    "latent": 1,
    "processes": 1,
    "text": 1,
    "data": 2,
    "encoders": 2,
    "decoders": 2,
    "targets": 2,
    "constraints": 2,
    "arae_networks": 2,
    "arae": 3,
    "model_files": 2.7,
    "model": 3,
    "transformers_model": 3.5,
    "model_config": 2.5,  # between its parts and the model
    "attacks": 4,
    "training": 4,
    "evaluation": 5,
    "augmentation": 5.5,
    "adversarial_training": 5.7,
    "pipelines": 5.5,
    "commands": 6,
    "__main__": 7,
}
HEAVY = {"accelerate", "datasets", "matplotlib", "nltk", "numpy", "scipy", "sklearn", "torch", "transformers"}


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import in a file, also inside functions and by `import_module("...")`.

    `from a.b import c` yields `a.b.c`, since c may be a module; a relative import keeps its leading dots.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if name in {"import_module", "__import__"} and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)


def complaint_about(part: str, name: str) -> str | None:
    """Say why the part `part` of textsem may not import `name`, or None if it may."""
    if name.startswith("."):
        return "imports are absolute"
    top, *inner = name.split(".")
    if top in {"scripts", "images_ext", "tests"}:
        return f"the package knows nothing of {top}"
    if top != "textsem":
        if part == "latent" and top not in sys.stdlib_module_names | {"torch"}:
            return "latent knows only torch and floor 0"
        return None
    if not inner or inner[0] not in {*FLOORS, "__version__"}:
        return "a public name is imported from its own module, and every part has a floor in FLOORS"
    other = inner[0]
    if other in {part, "__version__"} or FLOORS[other] < FLOORS[part] or FLOORS[other] == FLOORS[part] == 0:
        return None
    return f"floor {FLOORS[part]} may not import {other} of floor {FLOORS[other]}"


def package_complaints(root: Path) -> Iterator[str]:
    """Yield one line per wrong import in textsem/; its `__init__` is exempt, for it only names what others define."""
    package = root / "textsem"
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(root).as_posix()
        part = path.relative_to(package).with_suffix("").parts[0]
        if part == "__init__":
            continue
        if part not in FLOORS:
            yield f"{where}: no floor in FLOORS for {part}"
            continue
        for line, name in imported_modules(path):
            if complaint := complaint_about(part, name):
                yield f"{where}:{line}: {name}: {complaint}"


def script_complaints(root: Path) -> Iterator[str]:
    """Yield one line per script that imports a script, by package name or by bare file name."""
    scripts = sorted((root / "scripts").rglob("*.py"))
    names = {path.stem for path in scripts} | {"scripts"}
    for path in scripts:
        for line, name in imported_modules(path):
            if name.startswith(".") or name.split(".")[0] in names:
                yield f"{path.relative_to(root).as_posix()}:{line}: {name}: nothing imports a script"


def image_complaints(root: Path) -> Iterator[str]:
    """Yield one line per import in images_ext/ of anything of textsem save latent, runs and floor 0."""
    known = {part for part, floor in FLOORS.items() if floor == 0} | {"latent", "runs", "__version__"}
    for path in sorted((root / "images_ext").rglob("*.py")):
        for line, name in imported_modules(path):
            top, *inner = name.split(".")
            if top == "textsem" and (not inner or inner[0] not in known):
                yield f"{path.relative_to(root).as_posix()}:{line}: {name}: images_ext knows only latent, runs, floor 0"


def complaints(root: Path) -> list[str]:
    return [*package_complaints(root), *script_complaints(root), *image_complaints(root)]


def write(root: Path, files: dict[str, str]) -> None:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")


def test_every_import_of_the_project_points_down() -> None:
    assert list((ROOT / "textsem").rglob("*.py")), "found no file to read"
    assert complaints(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("textsem/latent/svgd.py", "import torch\nimport math\nfrom textsem.latent.kernels import rbf_kernel\n"),
        ("textsem/latent/learner.py", "from textsem.protocols import Encoder\n"),
        ("textsem/protocols.py", "from textsem.outputs import AttackResult\n"),
        ("textsem/decoders/arae.py", "import numpy\nfrom textsem.text import vocabulary\n"),
        ("textsem/model.py", "import textsem.decoders.transpose_cnn\nfrom textsem import __version__\n"),
        ("textsem/__init__.py", "from textsem.model import TextAdversary\n"),
        ("scripts/attack_snli.py", "from textsem.attacks.manifold import attack\nfrom textsem import load_target\n"),
        ("images_ext/pipeline.py", "from textsem.latent import svgd\nfrom textsem.outputs import AttackResult\n"),
    ],
)
def test_import_that_points_down_passes(tmp_path: Path, file: str, source: str) -> None:
    write(tmp_path, {file: source})
    assert complaints(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "source", "reason"),
    [
        ("textsem/latent/svgd.py", "import numpy as np\n", "latent knows only torch"),
        ("textsem/latent/svgd.py", "from textsem.text.vocabulary import Vocabulary\n", "floor 1 may not import text"),
        ("textsem/latent/svgd.py", "def f():\n    from textsem import text\n", "floor 1 may not import text"),
        ("textsem/text/vocabulary.py", "import textsem.data.nli\n", "floor 1 may not import data"),
        ("textsem/decoders/arae.py", "from textsem.encoders.cnn import Encoder\n", "floor 2 may not import encoders"),
        ("textsem/targets/http.py", "import_module('textsem.constraints.edits')\n", "floor 2 may not import constr"),
        ("textsem/targets/http.py", "importlib.import_module('textsem.model')\n", "floor 2 may not import model"),
        ("textsem/model.py", "if TYPE_CHECKING:\n    from textsem.attacks import manifold\n", "floor 3 may not"),
        ("textsem/attacks/manifold.py", "from textsem.training import adversary\n", "floor 4 may not import training"),
        ("textsem/model.py", "from textsem import AttackResult\n", "from its own module"),
        ("textsem/model.py", "import textsem\n", "from its own module"),
        ("textsem/text/batches.py", "from .vocabulary import Vocabulary\n", "imports are absolute"),
        ("textsem/pipelines.py", "import scripts.attack_snli\n", "knows nothing of scripts"),
        ("textsem/pipelines.py", "from images_ext import data\n", "knows nothing of images_ext"),
        ("textsem/helpers.py", "", "no floor in FLOORS for helpers"),
        ("scripts/attack_snli.py", "from scripts import train_target\n", "nothing imports a script"),
        ("scripts/attack_snli.py", "import attack_snli\n", "nothing imports a script"),
        ("images_ext/pipeline.py", "from textsem.text import vocabulary\n", "images_ext knows only latent"),
    ],
)
def test_import_put_wrong_is_reported_once(tmp_path: Path, file: str, source: str, reason: str) -> None:
    write(tmp_path, {"textsem/protocols.py": "import typing\n", file: source})
    (complaint,) = complaints(tmp_path)
    assert complaint.startswith(file)
    assert reason in complaint


def test_import_of_the_package_loads_nothing_heavy() -> None:
    program = "import sys, textsem; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "textsem" in loaded
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith("textsem.")}
