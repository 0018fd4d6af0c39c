"""The page: what it says first, what it shows, that it loads nothing and trusts no text."""

import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.judged import ENTAILED, FLIP, judged
from textsem.evaluation.headline import headline
from textsem.evaluation.judges import Judgement
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import write_report
from textsem.evaluation.validity import summarise_validity
from textsem.evaluation.word_differences import word_differences
from textsem.outputs import AttackResult

RIGHT = AttackResult(0, "People run.", "A man sleeps.", "neutral", "neutral", "failed", queries=100)
SCORES = {"original": {"neutral": 0.9, "entailment": 0.1}, "adversarial": {"neutral": 0.2, "entailment": 0.8}}


def made_up(successes: int, attacked: int) -> list[AttackResult]:
    fallen = replace(
        RIGHT, status="success", adversarial="A woman sleeps.", adversarial_prediction="entailment", scores=SCORES,
        queries=3, distance=1.3, edits=1,
    )  # fmt: skip
    lines = [fallen] * successes + [RIGHT] * (attacked - successes)
    return [replace(line, index=i) for i, line in enumerate(lines)]


class Elements(HTMLParser):
    """Collect open elements and attributes, and check that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element without content."""
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element closes."""
        assert self.open.pop() == tag


def page(tmp_path: Path, results: list[AttackResult], summary: Mapping[str, Any] | None = None, **given: Any) -> str:
    write_report(tmp_path / "report.html", summary or summarise(results), results, **given)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def full_page(tmp_path: Path) -> str:
    results = made_up(40, 100)
    rng = np.random.default_rng(0)
    codes = (rng.normal(size=(50, 8)), rng.normal(size=(60, 8)))
    summary = {**summarise(results), "seed": 5, "settings": {"access": "score", "filters": {"cosine": 0.8}}}
    controls = {"clean": summarise(made_up(5, 100))}
    return page(tmp_path, results, summary, codes=codes, notice="Demo data.", controls=controls)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return full_page(tmp_path_factory.mktemp("report"))


def test_page_is_well_formed_and_loads_nothing(html: str) -> None:
    elements = Elements()
    elements.feed(html)
    assert elements.open == []
    ids = [attributes["id"] for _, attributes in elements.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not {tag for tag, _ in elements.seen} & {"script", "link", "img", "iframe"}
    for _, attributes in elements.seen:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"url\((?!#)|@import", html)
    assert sum(tag == "svg" for tag, _ in elements.seen) == 3


def test_page_tells_settings_notice_and_statistics(html: str) -> None:
    for expected in (
        "Demo data.",
        "filters.cosine",
        "40.0%",
        "Against the controls",
        "<del>man</del> <ins>woman</ins>",
    ):
        assert expected in html
    assert html.index("Demo data.") < html.index("<h1>")


def test_the_same_run_gives_the_same_page(html: str, tmp_path: Path) -> None:
    assert full_page(tmp_path) == html


def test_text_of_the_data_is_never_markup(tmp_path: Path) -> None:
    results = made_up(1, 2)
    attack = "<script>alert('x')</script>"
    results[0] = replace(results[0], premise=attack, hypothesis=attack, adversarial=attack + " <img src=x>")
    html = page(tmp_path, results, notice=attack, controls={attack: summarise(made_up(0, 2))})
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") >= 3


def test_lone_surrogate_in_the_data_costs_no_page(tmp_path: Path) -> None:
    results = [replace(made_up(1, 1)[0], hypothesis="a \udc80 man", adversarial="a \udc80 dog")]
    assert "a &#56448; " in page(tmp_path, results)


def test_first_sentence_names_a_control_that_is_not_beaten() -> None:
    summary = summarise(made_up(30, 100))
    weak, strong = summarise(made_up(2, 100)), summarise(made_up(28, 100))
    assert headline(summary, {"clean": weak}).endswith("above every control.")
    said = headline(summary, {"clean": weak, "isotropic": strong})
    assert said.startswith("The method is not above its control: 30.0%")
    assert "isotropic" in said
    assert "28.0%" in said
    assert "clean" not in said
    assert "control" not in headline(summary)


def test_first_sentence_of_a_run_without_attacked_pairs(tmp_path: Path) -> None:
    wrong = [replace(RIGHT, prediction="entailment", status="skipped")]
    assert headline(summarise(wrong)) == "No pair was attacked: the target had none of 1 right."
    assert "No pair was attacked" in page(tmp_path, wrong, controls={"clean": summarise(wrong)})
    assert "No pair was attacked" in page(tmp_path, [])
    assert "There is none." in page(tmp_path, [RIGHT])


def test_thirty_examples_depend_on_the_seed_alone(tmp_path: Path) -> None:
    def shown(seed: int) -> list[str]:
        results = made_up(90, 100)
        return re.findall(r"pair (\d+)</p>", page(tmp_path, results, {**summarise(results), "seed": seed}))

    first, second = shown(1), shown(2)
    assert len(first) == len(set(first)) == 30
    assert first == shown(1)
    assert first != second
    assert first != [str(i) for i in range(30)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A man sleeps.", "A man sleeps.", [("same", "A man sleeps.", False)]),
        ("A man sleeps.", "a man sleeps.", [("same", "a man sleeps.", False)]),
        ("A dog runs.", "A dog.", [("same", "A dog", False), ("deleted", "runs", True), ("same", ".", False)]),
        ("Dogs run.", "Big dogs run.", [("inserted", "Big", False), ("same", "dogs run.", True)]),
        (
            "A man runs, fast",
            "A boy runs, fast",
            [("same", "A", False), ("deleted", "man", True), ("inserted", "boy", True), ("same", "runs, fast", True)],
        ),
    ],
)
def test_word_differences(old: str, new: str, expected: list[tuple[str, str, bool]]) -> None:
    assert [(p.kind, p.text, p.has_space) for p in word_differences(old, new)] == expected


def test_differences_without_the_deleted_words_are_the_new_sentence() -> None:
    old, new = "Two young men, both happy, play ball.", "Two men, both  very happy play the ball!"
    pieces = [p for p in word_differences(old, new) if p.kind != "deleted"]
    joined = "".join((" " if p.has_space else "") + p.text for p in pieces)
    assert joined == new.replace("both  very", "both very")


def test_codes_of_different_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(3, 4\)"):
        page(tmp_path, [RIGHT], codes=(np.zeros((3, 2)), np.zeros((3, 4))))
    assert "KS" in page(tmp_path, [RIGHT], codes=(np.zeros((3, 2)), np.zeros((3, 2))))


def judged_run(valid: int, not_valid: int) -> tuple[list[AttackResult], list[Judgement]]:
    lines = [(FLIP, judged())] * valid + [(FLIP, judged(after=ENTAILED, similarity=0.5))] * not_valid
    results = [replace(result, index=i) for i, (result, _) in enumerate(lines)]
    return results, [replace(judgement, index=i) for i, (_, judgement) in enumerate(lines)]


def judged_page(tmp_path: Path, valid: int, not_valid: int, seed: int = 0, **missing: Any) -> str:
    results, judgements = judged_run(valid, not_valid)
    judgements = [replace(judgement, **missing) for judgement in judgements]
    validity = summarise_validity(results, judgements)
    summary = {**summarise(results), "validity": validity, "seed": seed}
    control = {**summarise(results), "validity": summarise_validity(*judged_run(1, valid + not_valid - 1))}
    return page(tmp_path, results, summary, judgements=judgements, controls={"clean": control})


def test_page_of_a_judged_run_leads_with_valid_success(tmp_path: Path) -> None:
    html = judged_page(tmp_path, valid=40, not_valid=20)
    elements = Elements()
    elements.feed(html)
    assert elements.open == []
    ids = [attributes["id"] for _, attributes in elements.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "fell to a valid attack" in html[: html.index("</h1>")]
    assert html.index("Valid success rate") < html.index("Flips of the label")
    for expected in (
        "at least 0.8",
        "at most 2 times",
        "errors bound what",
        "Over the thresholds",
        "Why flips are not",
    ):
        assert expected in html
    assert "Flips are not valid successes" not in html
    assert '<td class="num chosen">66.7%</td>' in html
    assert html.count('chosen"') == 1


def test_valid_examples_and_others_are_drawn_apart_by_the_seed(tmp_path: Path) -> None:
    def shown(seed: int) -> tuple[list[int], list[int]]:
        html = judged_page(tmp_path, valid=40, not_valid=20, seed=seed)
        cut = html.index("10 of 20 flips that are not valid")
        valid, others = ([int(i) for i in re.findall(r"pair (\d+)</p>", part)] for part in (html[:cut], html[cut:]))
        assert html.count("Not valid: judge follows the flip, similarity (the judge says entailment)") == 10
        return valid, others

    valid, others = shown(1)
    assert len(valid) == len(set(valid)) == 30
    assert set(valid) <= set(range(40))
    assert len(others) == len(set(others)) == 10
    assert set(others) <= set(range(40, 60))
    assert shown(1) == (valid, others) != shown(2)


def test_page_without_a_judgement_says_that_flips_are_not_valid_successes(tmp_path: Path) -> None:
    html = page(tmp_path, made_up(2, 3))
    assert "Flips are not valid successes" in html
    assert "textsem report DIR --judges" in html
    html = judged_page(tmp_path, valid=2, not_valid=1, similarity=None)
    assert "Flips are not valid successes" in html
    assert "3 of 3 flips were not measured for similarity in meaning" in html
    assert "Valid success rate" not in html


def test_judged_summary_without_judgements_is_refused(tmp_path: Path) -> None:
    results, judgements = judged_run(1, 1)
    summary = {**summarise(results), "validity": summarise_validity(results, judgements)}
    with pytest.raises(ValueError, match="expected the judgements"):
        page(tmp_path, results, summary)
