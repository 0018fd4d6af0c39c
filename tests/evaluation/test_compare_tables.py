"""The table of a comparison, from lines and judgements whose figures are known."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from textsem.evaluation.compare_tables import attack_row, draw_valid_curves, headline, to_markdown
from textsem.evaluation.judges import Judgement
from textsem.evaluation.validity import ValidityThresholds
from textsem.outputs import AttackResult
from textsem.runs.intervals import wilson_interval

OPEN = AttackResult(0, "People rest.", "A man sleeps.", "neutral", "neutral", "failed", queries=100)
FLIP = replace(
    OPEN, status="success", adversarial="A woman sleeps.", adversarial_prediction="entailment", queries=3, edits=1
)
KEPT = Judgement(0, {"judge": "neutral"}, {"judge": "neutral"}, 0.9, 1.5, False)
UNTOUCHED = Judgement(0, {"judge": "neutral"})
FACTS: dict[str, Any] = {
    "pairs": 10,
    "attacked": 9,
    "headline": None,
    "target": "t",
    "judge": "judge",
    "thresholds": "0.8 and 2",
    "budget": "100 queries",
    "constraints": "fluency",
    "notes": {"pwws": "WordNet: another"},
}


def row(lines: Sequence[tuple[AttackResult, Judgement]], name: str = "attack") -> dict[str, Any]:
    results = [replace(r, index=i) for i, (r, _) in enumerate(lines)]
    judgements = [replace(j, index=i) for i, (_, j) in enumerate(lines)]
    return attack_row(name, results, judgements, judge="judge", thresholds=ValidityThresholds(), pairs_per_second=2.5)


LINES: list[tuple[AttackResult, Judgement]] = [
    (FLIP, KEPT),
    (replace(FLIP, queries=20), KEPT),
    (replace(FLIP, queries=21), KEPT),
    (FLIP, replace(KEPT, perplexity_ratio=2.5)),
    (FLIP, replace(KEPT, has_new_unknown=True)),
    (FLIP, replace(KEPT, similarity=0.7)),
    (FLIP, replace(KEPT, after={"judge": "entailment"})),
    (replace(OPEN, status="unsupported", queries=0), UNTOUCHED),
    (replace(OPEN, status="error", queries=6), UNTOUCHED),
    (replace(OPEN, prediction="entailment", status="skipped", queries=0), UNTOUCHED),
]


def test_row_counts_flips_and_what_of_them_is_valid() -> None:
    found = row(LINES)
    assert [found[k]["count"] for k in ("flips", "valid_without_fluency", "valid", "valid_within_20")] == [7, 5, 3, 2]
    assert {found[k]["of"] for k in ("flips", "valid_without_fluency", "valid", "valid_within_20")} == {9}
    assert found["valid"]["rate"] == 3 / 9
    assert found["valid"]["interval"] == list(wilson_interval(3, 9))
    assert found["queries_at_valid"] == [3, 20, 21]
    assert found["median_queries_at_valid"] == 20


def test_rows_sent_are_the_queries_and_the_checks_stand_apart() -> None:
    found = row(LINES)
    assert found["rows_sent"] == 3 + 20 + 21 + 4 * 3 + 6
    assert found["rows_checked"] == 10
    assert found["valid_per_1000_rows"] == pytest.approx(1000 * 3 / 62)
    assert (found["errors"], found["unsupported"]) == (1, 1)


def test_attack_without_queries_and_without_pairs_has_no_rates() -> None:
    assert row([(replace(OPEN, queries=0), UNTOUCHED)])["valid_per_1000_rows"] is None
    empty = row([LINES[-1]])
    assert empty["valid"] == {"count": 0, "of": 0, "rate": None, "interval": [0.0, 1.0]}
    assert empty["median_queries_at_valid"] is None


def test_flip_that_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="without a sentence encoder and a language model validity cannot be stated"):
        row([(FLIP, replace(KEPT, similarity=None))])


def test_headline_holds_ours_at_twenty_queries_against_others_at_their_own() -> None:
    strong, weak = [(FLIP, KEPT)] * 50 + [(OPEN, UNTOUCHED)] * 50, [(OPEN, UNTOUCHED)] * 100
    late = [(replace(FLIP, queries=21), KEPT)] * 50 + [(OPEN, UNTOUCHED)] * 50
    ours, slow = row(strong, "ours"), row(late, "ours")
    other, equal = row(weak, "clean"), row(late, "pwws")
    assert (headline([ours, other], ours="ours") or "").startswith("Above every other attack")
    assert (headline([ours, other, equal], ours="ours") or "").startswith("Not above pwws beyond the intervals: valid")
    assert (headline([slow, other], ours="ours") or "").startswith("Not above clean")
    assert headline([ours], ours="ours") is None
    assert headline([other], ours="ours") is None


def test_markdown_has_one_line_an_attack_and_names_replacements() -> None:
    text = to_markdown([row(LINES, "pwws"), row([LINES[-1]], "clean")], FACTS)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    low, high = wilson_interval(3, 9)
    interval = f"({100 * low:.1f} to {100 * high:.1f})"
    assert f"| 33.3% {interval} |" in table[2]
    assert table[2].endswith("| 20 | 62 | 48.4 | 2.5 |")
    assert "\u2013" in table[3]
    assert "- pwws: WordNet: another" in text
    assert "10 pairs, 9 of them right before" in text


def test_figure_is_written_and_the_same_again(tmp_path: Path) -> None:
    rows = [row(LINES, "ours"), row([LINES[-1]], "clean")]
    draw_valid_curves(tmp_path / "a.png", rows)
    draw_valid_curves(tmp_path / "b.png", rows)
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes()
    draw_valid_curves(tmp_path / "c.png", [])


def test_row_is_plain_json() -> None:
    found = row(LINES)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
