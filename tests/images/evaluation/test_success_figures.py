"""What counts at which eps, by hand."""

from pathlib import Path

import pytest

from images_ext.evaluation.judged_folders import judged_run
from images_ext.evaluation.success_figures import joint_distances, query_figure, radius_figure, radius_tables
from tests.images.evaluation.made_up_runs import line, write_judged_run, write_run

LINES = [
    line(0, "flip", shift=51),  # 0.2 in linf, joint
    line(1, "flip", shift=51, judged_after=1),  # the judge follows
    line(2, "flip", shift=102),  # 0.4, outside the ball, label kept
    line(3, "resists"),
    line(4, "skipped"),
]


def test_flips_and_labels_kept_are_counted_strictly_inside_each_radius(tmp_path: Path) -> None:
    run = write_judged_run(tmp_path, LINES)
    rows = {row["eps"]: row for row in radius_tables(run)["linf"]}
    assert [(rows[eps]["success"]["count"], rows[eps]["joint"]["count"]) for eps in (0.0, 0.2, 0.3, 0.4, 0.5)] == [
        (0, 0), (0, 0), (2, 1), (2, 1), (3, 2),
    ]  # fmt: skip
    assert rows[0.5]["joint"]["of"] == 4
    assert [eps for eps, row in rows.items() if row["is_own"]] == [0.3]


def test_returned_images_that_keep_the_label_have_their_own_distances(tmp_path: Path) -> None:
    run = write_judged_run(tmp_path / "judged", LINES)
    assert joint_distances(run, "linf") == pytest.approx([51 / 255, 102 / 255])
    assert joint_distances(judged_run(write_run(tmp_path / "not", LINES)), "linf") is None


def test_figures_are_drawn_where_something_was_attacked(tmp_path: Path) -> None:
    run = write_judged_run(tmp_path / "own", LINES)
    nothing = judged_run(write_run(tmp_path / "nothing", [line(0, "skipped")]))
    for draw in (radius_figure, query_figure):
        svg = draw(run, [run])
        assert svg is not None
        assert svg.startswith("<svg")
        assert draw(nothing, []) is None
