"""``textsem`` itself: which command is run, and that help loads nothing heavy."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from textsem import __version__
from textsem.commands import console, train

ROOT = Path(__file__).parents[2]
COMMANDS = [[], *([name] for name in console.COMMANDS), *(["train", name] for name in train.MODELS)]
HEAVY = {"accelerate", "datasets", "jinja2", "matplotlib", "numpy", "pyarrow", "scipy", "torch", "tqdm", "transformers"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from textsem.commands.console import main\n"
        f"try: main({[*words, '--help']!r})\n"
        "except SystemExit as end: assert end.code == 0\n"
        f"print('loaded', *{HEAVY!r} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"usage: {' '.join(['textsem', *words])} ")
    assert shown.stdout.splitlines()[-1] == "loaded"


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in ([], ["train"])], ids=" ".join)
def test_command_gets_the_options_and_its_name(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def remember(arguments: list[str] | None = None, *, program: str) -> int:
        seen.append((arguments, program))
        return 7

    choices = train.MODELS if words[0] == "train" else console.COMMANDS
    monkeypatch.setattr(import_module(choices[words[-1]].module), "main", remember)
    assert console.main([*words, "--one", "two"]) == 7
    assert seen == [(["--one", "two"], " ".join(["textsem", *words]))]


@pytest.mark.parametrize("words", [["atack"], ["--limit", "3"], ["train", "atack"]])
def test_unknown_command_is_answered_by_the_known_ones(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        console.main(words)
    assert end.value.code == 2
    assert ("adversary" if words[0] == "train" else "COMMAND") in capsys.readouterr().err


def test_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        console.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"textsem {__version__}\n"


def test_console_entry_and_module_are_this_function() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"textsem": "textsem.commands.console:main"}
    shown = subprocess.run(
        [sys.executable, "-m", "textsem", "attack", "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert shown.stdout.startswith("usage: python -m textsem attack ")
