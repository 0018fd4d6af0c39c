"""One table of several attacks: each run once, all judged, ours held against the others."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from images_ext.evaluation import compare, judged_folders
from images_ext.evaluation.assembly import identify_folder, model_folders
from images_ext.evaluation.compare import COMPARED, CompareImagesConfig, compare_attacks, compare_runs
from images_ext.evaluation.compare_tables import comparison_tables
from images_ext.evaluation.run_config import AttackImagesConfig
from tests.images.evaluation.made_up_runs import FirstPixelJudge, line, write_run

NUM = 12
SHARED = {"norm": "linf", "eps": 0.3, "max_queries": 50}


@pytest.fixture
def runs_made(monkeypatch: pytest.MonkeyPatch) -> list[AttackImagesConfig]:
    """Let attacks be made up: E' flips 12 images, PGD 6, everything else 3; return those that were run."""
    made: list[AttackImagesConfig] = []

    def attack(config: AttackImagesConfig, **_: Any) -> None:
        made.append(config)
        flips = 6 if config.attack == "pgd" else NUM if config.source == "adversarial" else 3
        lines = [line(i, "flip" if i < flips else "resists") for i in range(NUM)]
        models = {role: identify_folder(folder) for role, folder in model_folders(config).items()}
        data = {"name": "svhn stand-in", "split": "test"}
        write_run(Path(config.output), lines, settings=asdict(config), data=data, model=models)

    monkeypatch.setattr(compare, "attack_images", attack)
    monkeypatch.setattr(judged_folders, "load_image_target", lambda *_, **__: FirstPixelJudge())
    return made


def test_every_attack_differs_in_its_own_options_alone(tmp_path: Path) -> None:
    config = CompareImagesConfig("judge", output=str(tmp_path), shared=SHARED)
    for name, own in COMPARED.items():
        attack = asdict(config.attack_config(name))
        base = asdict(AttackImagesConfig(**SHARED, output=str(tmp_path / name), judge="judge", resume=True))  # type: ignore[arg-type]
        assert {key for key in attack if attack[key] != base[key]} <= set(own)
        assert attack.items() >= own.items()


def test_table_tells_ours_first_and_what_it_beats(tmp_path: Path, runs_made: list[AttackImagesConfig]) -> None:
    (tmp_path / "judge").mkdir()
    config = CompareImagesConfig(
        str(tmp_path / "judge"), ("isotropic", "ours", "pgd"), output=str(tmp_path / "out"), shared=SHARED
    )
    comparison = compare_attacks(config)
    assert [row["attack"] for row in comparison["rows"]] == ["E'", "isotropic noise", "PGD"]
    assert [row["joint"]["count"] for row in comparison["rows"]] == [NUM, 3, 6]
    ours, isotropic, pgd = (row["ours_against_it"] for row in comparison["rows"])
    assert ours is None
    assert (isotropic["only_own"], isotropic["is_above"], isotropic["is_control"]) == (9, True, True)
    assert (pgd["only_own"], pgd["is_control"]) == (6, False)
    assert comparison["rows"][2]["ours_against_it_within"]["5"]["only_own"] == 6
    assert [row["ball"]["max_queries"] for row in comparison["rows"]] == [50, 50, 41]
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == json.loads(json.dumps(comparison))
    table = (tmp_path / "out" / "compare.md").read_text()
    assert "| isotropic noise | score | 25.0% (" in table
    assert "**Note.** SVHN was not at hand" in table
    assert "isotropic noise" in (tmp_path / "out" / "ours" / "report.html").read_text()


def test_finished_runs_are_not_run_again_unless_options_differ(
    tmp_path: Path, runs_made: list[AttackImagesConfig]
) -> None:
    (tmp_path / "judge").mkdir()
    judge, out = str(tmp_path / "judge"), str(tmp_path / "out")
    compare_attacks(CompareImagesConfig(judge, ("ours",), output=out, shared=SHARED))
    compare_attacks(CompareImagesConfig(judge, ("ours", "clean"), output=out, shared=SHARED))
    assert [config.source for config in runs_made] == ["adversarial", "clean"]
    compare_attacks(CompareImagesConfig(judge, ("ours",), output=out, shared={**SHARED, "eps": 0.2}))
    assert len(runs_made) == 3


def test_every_cell_of_the_table_is_what_its_column_says(tmp_path: Path, runs_made: list[AttackImagesConfig]) -> None:
    (tmp_path / "judge").mkdir()
    lines = [
        line(0, "flip", queries=3),
        line(1, "flip", judged_after=1, queries=10),
        line(2, "flip", shift=100, queries=100),
        line(3, "resists"),
        line(4, "flip", judged_before=2, judged_after=0, queries=30),
        line(5, "skipped"),
    ]
    write_run(tmp_path / "run", lines)
    table = comparison_tables(compare_runs([tmp_path / "run"], tmp_path / "judge")).splitlines()
    columns, _, cells = ([cell.strip() for cell in row.split("|")[1:-1]] for row in table if row.startswith("|"))
    found = {column: cell.split(" (")[0] for column, cell in zip(columns, cells, strict=True)}
    assert found | {"access": ""} == {
        "attack": "E'",
        "access": "",
        "raw flips": "80.0%",
        "success in the ball": "60.0%",
        "joint success": "20.0%",
        "of both right": "25.0%",
        "label kept": "66.7%",
        "joint within 5": "20.0%",
        "joint within 20": "20.0%",
        "median queries": "30",
        "at success": "10",
        **dict.fromkeys(("ours minus it", "p", "within 5: ours minus it, p", "within 20: ours minus it, p"), ""),
    }


def test_finished_run_of_models_that_were_trained_anew_is_not_taken(
    tmp_path: Path, runs_made: list[AttackImagesConfig]
) -> None:
    for name in ("judge", "adversary"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(f'{{"is": "{name}"}}')
    shared = {**SHARED, "adversary": str(tmp_path / "adversary"), "filter_model": ["none"]}
    config = CompareImagesConfig(str(tmp_path / "judge"), ("ours", "pgd"), output=str(tmp_path / "out"), shared=shared)
    compare_attacks(config)
    compare_attacks(config)
    assert len(runs_made) == 2
    (tmp_path / "adversary" / "config.json").write_text('{"trained": "anew"}')
    compare_attacks(config)
    # PGD has no adversary.
    assert [run.attack for run in runs_made] == ["ours", "pgd", "ours"]


def test_finished_folders_stand_in_the_table_too(tmp_path: Path, runs_made: list[AttackImagesConfig]) -> None:
    (tmp_path / "judge").mkdir()
    for name in ("ours", "pgd"):
        config = CompareImagesConfig("j", (name,), output=str(tmp_path), shared=SHARED).attack_config(name)
        vars(compare)["attack_images"](config)
    comparison = compare_runs([tmp_path / "pgd", tmp_path / "ours"], tmp_path / "judge")
    assert [row["folder"] for row in comparison["rows"]] == ["ours", "pgd"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": ("wish",)}, "expected attacks among ours, clean, .*, got wish"),
        ({"attacks": ()}, "expected attacks or folders, got none of both"),
        ({"shared": {**SHARED, "source": "clean"}}, "expected shared options without source"),
        ({"shared": {"epsilon": 1}}, "expected options of the attack on images, got others"),
        ({"shared": {"eps": None}}, "expected eps and access gradient for pgd"),
        ({"shared": {"norm": "mse"}}, "expected norm linf or l2 for pgd, got mse"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CompareImagesConfig("judge", **options)
