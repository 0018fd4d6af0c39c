"""The page: what it says first, what it shows, that it loads nothing and trusts no text."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from images_ext.evaluation.report import write_report
from tests.images.evaluation.made_up_runs import SETTINGS, line, write_judged_run, write_run

VOID = {"meta", "img"}
MIXED = [
    line(0, "flip"),
    line(1, "flip", judged_after=1),
    line(2, "flip", shift=100),
    line(3, "resists"),
    line(4, "skipped"),
    line(5, "error"),
]


class Elements(HTMLParser):
    """Collect elements and attributes, and check that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element without content."""
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element closes."""
        assert self.open.pop() == tag


def page(folder: Path, **options: Any) -> str:
    return write_report(folder, **options).read_text(encoding="utf-8")


def test_page_is_well_formed_and_loads_nothing(tmp_path: Path) -> None:
    write_judged_run(tmp_path / "own", MIXED)
    write_judged_run(tmp_path / "clean", MIXED, settings={**SETTINGS, "source": "clean"})
    text = page(tmp_path / "own", controls=[tmp_path / "clean"])
    elements = Elements()
    elements.feed(text)
    assert not elements.open
    ids = [attributes["id"] for _, attributes in elements.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in elements.seen:
        assert tag not in {"script", "link", "iframe"}
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert "url(http" not in text
    assert "@import" not in text


def test_headline_is_the_only_first_heading_and_warns_first(tmp_path: Path) -> None:
    write_judged_run(tmp_path / "own", MIXED)
    write_judged_run(tmp_path / "clean", MIXED, settings={**SETTINGS, "source": "clean"})
    (title,) = re.findall("<h1>(.*?)</h1>", page(tmp_path / "own", controls=[tmp_path / "clean"]))
    assert title.startswith("E&#39; is not above its control in joint success: \u201csamples of E\u201d")


def test_every_kind_of_outcome_is_shown_with_its_images(tmp_path: Path) -> None:
    write_judged_run(tmp_path, MIXED)
    text = page(tmp_path)
    for title in ("joint successes", "flips that the judge rejects", "flips outside the ball", "images that resisted"):
        assert f"All 1 {title}" in text
    # Three flips with four pictures each, one that resisted with two.
    assert text.count("<img") == 3 * 4 + 2
    assert text.count('class="cell red"') == 3
    assert "judge: dog" in text


def test_run_that_nobody_judged_says_so(tmp_path: Path) -> None:
    write_run(tmp_path, MIXED)
    text = page(tmp_path)
    assert "nobody judged whether they keep their label" in text
    assert "All 2 successes" in text
    assert "Joint success" not in text


@pytest.mark.parametrize("lines", [[line(0, "skipped")], [line(0, "error")], [line(0, "resists")]])
def test_page_without_success_is_written_too(tmp_path: Path, lines: list[Any]) -> None:
    write_run(tmp_path, lines)
    assert "<h1>" in page(tmp_path)


def test_notices_stand_before_the_headline(tmp_path: Path) -> None:
    write_run(tmp_path, MIXED, notice="drawn digits", data={"name": "svhn stand-in"})
    text = page(tmp_path)
    assert text.index("drawn digits") < text.index("a stand-in on which no figure says") < text.index("<h1>")


def test_own_radius_is_a_row_of_its_norm_alone(tmp_path: Path) -> None:
    write_run(tmp_path, MIXED, settings={**SETTINGS, "eps": 0.33})
    (row,) = re.findall('<tr class=own><th scope="row" class="num">(.*?)</th>', page(tmp_path))
    assert row == "0.33"


def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    lines = [line(0, "flip", label="<script>alert(1)</script>")]
    write_run(tmp_path, lines, notice="<b>bold</b>")
    text = page(tmp_path)
    assert "<script>" not in text
    assert "<b>bold" not in text


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        ({"project": True}, True),
        ({"project": False}, False),
        ({"project": True, "eps": None}, False),
        ({"attack": "pgd"}, True),
    ],
)
def test_page_says_where_no_flips_outside_were_looked_for(
    tmp_path: Path, settings: dict[str, Any], is_told: bool
) -> None:
    write_run(tmp_path, MIXED, settings={**SETTINGS, **settings})
    assert ("raw flips outside were not looked for" in page(tmp_path)) == is_told


def test_control_that_was_set_otherwise_is_marked(tmp_path: Path) -> None:
    write_run(tmp_path / "own", MIXED)
    write_run(tmp_path / "clean", MIXED, settings={**SETTINGS, "source": "clean"})
    write_run(tmp_path / "basis", MIXED, settings={**SETTINGS, "source": "basis", "max_queries": 7})
    text = page(tmp_path / "own", controls=[tmp_path / "clean", tmp_path / "basis"])
    assert re.findall('<th scope="row">([^<]*) <small>set otherwise: ([^<]*)</small>', text) == [
        ("GBSM&#39;s basis, no Eq. 6", "max_queries")
    ]


def test_every_rate_of_the_page_is_the_one_its_row_names(tmp_path: Path) -> None:
    write_judged_run(tmp_path, [*MIXED, line(6, "flip", judged_before=2, judged_after=0)])
    text = page(tmp_path)
    table = text[text.index("with every denominator") : text.index("</table>")]
    rows = re.findall(r'<th scope="row">(.*?)</th>.*?(\d+ / \d+)</td><td>(.*?)</td></tr>', table)
    assert rows == [
        ("joint success", "1 / 5", "the target had right"),
        ("", "1 / 4", "target and judge had right"),
        ("", "1 / 7", "all"),
        ("success: a flip inside the ball", "3 / 5", "the target had right"),
        ("", "3 / 7", "all"),
        ("raw flips: inside or outside", "4 / 5", "the target had right"),
        ("flips of the clean reconstruction", "0 / 5", "the target had right and was asked about"),
        ("label kept", "2 / 3", "successes"),
        ("", "1 / 2", "successes on inputs that the judge had right"),
        ("", "3 / 4", "raw flips"),
        ("the judge follows the target", "1 / 3", "successes"),
        ("the judge is right on inputs", "5 / 6", "all that were asked about"),
    ]
    (own,) = re.findall('<tr class=own><th scope="row" class="num">0.3</th>(.*?)</tr>', text)
    flips, _, of_all, kept, accuracy = re.findall("<td[^>]*>(.*?)</td>", own)
    assert (flips, of_all, kept, accuracy) == ("60.0%", "42.9%", "20.0%", "33.3%")
