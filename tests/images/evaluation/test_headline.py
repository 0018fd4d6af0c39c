"""The first sentence says what came out, and first of all if a control is not beaten."""

from pathlib import Path
from typing import Any

from images_ext.evaluation.headline import headline
from images_ext.evaluation.judged_folders import judged_run
from images_ext.evaluation.rivalries import rivalries
from tests.images.evaluation.made_up_runs import SETTINGS, line, write_judged_run, write_run

NUM = 12


def flips(num: int, **more: Any) -> list[Any]:
    return [line(i, "flip" if i < num else "resists", **more) for i in range(NUM)]


def test_success_is_told_with_ball_interval_and_counts(tmp_path: Path) -> None:
    own = judged_run(write_run(tmp_path, [*flips(3), line(NUM, "skipped")]))
    assert headline(own, []) == (
        "3 of 12 images that the target had right flipped at linf < 0.3 within 100 queries: 25.0% (8.9% to 53.2%), "
        "95% interval; nobody judged whether they keep their label."
    )


def test_joint_success_comes_before_flips(tmp_path: Path) -> None:
    own = write_judged_run(tmp_path / "own", [*flips(3), line(NUM, "flip", judged_after=1)])
    control = write_judged_run(tmp_path / "control", [*flips(0), line(NUM, "resists")], settings=SETTINGS)
    text = headline(own, rivalries(own, [control]))
    assert text.startswith("3 of 13 images that the target had right flipped at linf < 0.3 within 100 queries while ")
    assert text.endswith("; label kept or not, 4 flipped, 30.8% (12.7% to 57.6%).")
    assert "control" not in text  # the other run is E' too


def test_beaten_controls_are_told(tmp_path: Path) -> None:
    own = write_judged_run(tmp_path / "own", flips(NUM))
    control = write_judged_run(tmp_path / "control", flips(1), settings={**SETTINGS, "source": "clean"})
    assert ", above every control;" in headline(own, rivalries(own, [control]))


def test_control_that_is_not_beaten_comes_first(tmp_path: Path) -> None:
    own = write_judged_run(tmp_path / "own", flips(6))
    controls = [
        write_judged_run(tmp_path / source, flips(num), settings={**SETTINGS, "source": source})
        for source, num in (("clean", 5), ("isotropic", 6))
    ]
    text = headline(own, rivalries(own, controls))
    assert text.startswith(
        "E' is not above these controls in joint success: \u201csamples of E\u201d (p = 1), "
        "\u201cisotropic noise\u201d (p = 1). 6 of 12 images"
    )


def test_rival_that_is_no_control_is_not_spoken_of(tmp_path: Path) -> None:
    own = judged_run(write_run(tmp_path / "own", flips(1)))
    pgd = judged_run(write_run(tmp_path / "pgd", flips(NUM), settings={**SETTINGS, "attack": "pgd"}))
    assert headline(own, rivalries(own, [pgd])).startswith("1 of 12 images")


def test_nothing_attacked_is_told(tmp_path: Path) -> None:
    own = judged_run(write_run(tmp_path, [line(0, "skipped"), line(1, "error")]))
    assert headline(own, []) == "No image was attacked: the target had none of 2 right."


def test_pgd_is_told_with_the_rows_of_its_restarts(tmp_path: Path) -> None:
    settings = {**SETTINGS, "attack": "pgd", "num_steps": 40, "num_restarts": 5}
    own = judged_run(write_run(tmp_path, flips(3), settings=settings))
    assert "flipped at linf < 0.3 within 205 queries: " in headline(own, [])


def test_control_that_was_set_otherwise_is_not_called_beaten(tmp_path: Path) -> None:
    own = judged_run(write_run(tmp_path / "own", flips(NUM)))
    settings = {**SETTINGS, "source": "isotropic", "eps": 0.2, "max_queries": 10}
    control = judged_run(write_run(tmp_path / "control", flips(0), settings=settings))
    text = headline(own, rivalries(own, [control]))
    assert "above every control" not in text
    assert text.endswith(" Set otherwise: \u201cisotropic noise\u201d (eps, max_queries).")
