"""What every script keeps: help comes at once, and what is wrong is one line on standard error and exit code 2."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
NO_DATA = "error: expected an existing file or folder, or a hub id"


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("attack_snli", "--candidates-from"),
        ("augment_nli", "--rows-per-source"),
        ("benchmark", "--budgets"),
        ("benchmark_images", "--particles"),
        ("compare_attacks", "--attack-options"),
        ("compare_decoders", "--num-sentences"),
        ("compare_image_attacks", "--folders"),
        ("distil_meaning", "--encoder"),
        ("evaluate_adversary", "--plain-model"),
        ("fuzz", "--rows"),
        ("image_evidence", "--particles"),
        ("judge_images", "--judge"),
        ("judge_results", "--judges"),
        ("manifold_evidence", "--gbsm-steps"),
        ("measure_augmentation", "--fresh-attacks"),
        ("measure_augmentation_memory", "--rows"),
        ("train_adversary", "--keeper"),
        ("train_arae", "--watch-every"),
        ("train_filter", "--base"),
        ("train_image_adversary", "--keeper"),
        ("train_image_target", "--attacked"),
        ("train_target", "--half-precision"),
        ("verify_results", "--tolerance"),
    ],
)
def test_help_loads_nothing_heavy(name: str, option: str) -> None:
    code = (
        f"import runpy, sys; sys.argv = ['{name}.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPTS / f'{name}.py')!r}, run_name='__main__')\n"
        f"except SystemExit as end: assert end.code == 0\n"
        f"assert not {{'torch', 'numpy', 'datasets', 'transformers'}} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert option in shown.stdout


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("attack_snli", ["--data", "no/such/file.jsonl"], NO_DATA),
        ("augment_nli", ["--data", "no/such/file.jsonl", "--output", "runs/augment_nli"], NO_DATA),
        ("benchmark", ["--figures", "speed"], "error: expected figures among"),
        ("benchmark_images", ["--presets", "imagenet"], "error: expected a preset among celeba, mnist, paper, svhn"),
        ("compare_attacks", ["--judges", "a", "--attacks", "wish"], "error: expected attacks among"),
        ("compare_decoders", ["--judges", "a", "--models", "one"], "error: expected models as NAME=FOLDER"),
        ("compare_image_attacks", ["--judge", "a", "--attacks", "wish"], "error: expected attacks among"),
        ("evaluate_adversary", ["--data", "no/such/file.jsonl"], NO_DATA),
        ("fuzz", ["--rows", "0"], "error: expected rows >= 1, got 0"),
        ("image_evidence", ["--num-images", "0"], "error: expected num_images >= 1, got 0"),
        ("judge_images", ["no/such/folder", "--judge", "a"], "error: expected the folder of a finished run"),
        ("judge_results", ["no/such/folder", "--judges", "a"], "error: expected results.jsonl in"),
        ("manifold_evidence", ["--data", "no/such/file.jsonl"], NO_DATA),
        (
            "measure_augmentation",
            ["--augmented", "a=b", "--controls", "c"],
            "error: expected controls among duplicates",
        ),
        ("train_arae", ["--data", "no/such/file.jsonl", "--held-out", "no/such/dev.jsonl", "--output", "o"], NO_DATA),
        ("train_filter", ["--base", "b", "--data", "no/such/file.jsonl", "--output", "o"], NO_DATA),
        ("verify_results", ["no/such/results.jsonl"], "error: expected results.jsonl or its folder"),
    ],
)
def test_error_is_one_line_and_exit_code_two(
    name: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_from_file_location(f"{name}_contract", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(message)
    assert shown.err.count("\n") == 1
