"""Lines of results: bytes, text that UTF-8 cannot hold, numbers that are none, and files read piece by piece."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.evaluation.result_lines import from_line, read_results, to_line
from textsem.outputs import AttackResult

RESULT = AttackResult(
    0,
    "Zwei Männer „spielen“\u2028draußen.",
    "A man\nplays",
    "neutral",
    "neutral",
    "success",
    adversarial="A boy plays",
    adversarial_prediction="entailment",
    scores={"original": {"neutral": 0.75, "entailment": 0.25}, "adversarial": {"entailment": 0.5, "neutral": 0.5}},
    queries=3,
    distance=1.25,
    edits=1,
)
PATH = Path("results.jsonl")
# What a high and a low surrogate side by side mean is the character of both, in JSON as in UTF-16.
texts = st.text(st.characters(), max_size=20).filter(lambda text: text == json.loads(json.dumps(text)))


def write(path: Path, num_lines: int) -> list[AttackResult]:
    results = [replace(RESULT, index=i, queries=i) for i in range(num_lines)]
    path.write_bytes(b"".join(map(to_line, results)))
    return results


def test_equal_results_give_equal_bytes_and_readable_text() -> None:
    assert RESULT.scores is not None
    scores = {which: dict(reversed(of.items())) for which, of in reversed(RESULT.scores.items())}
    line = to_line(RESULT)
    assert line == to_line(replace(RESULT, scores=scores, distance=1.2500000001))
    assert "Männer".encode() in line
    assert line.count(b"\n") == 1
    assert list(json.loads(line)) == [f.name for f in fields(AttackResult)]


def test_floats_keep_five_decimals_and_no_negative_zero() -> None:
    assert json.loads(to_line(replace(RESULT, distance=0.1234567)))["distance"] == 0.12346
    assert str(json.loads(to_line(replace(RESULT, distance=-1e-9)))["distance"]) == "0.0"


@given(texts, texts)
def test_any_text_survives_its_line(premise: str, adversarial: str) -> None:
    result = replace(RESULT, premise=premise, adversarial=adversarial)
    line = to_line(result)
    assert from_line(line, 0, PATH) == result
    assert line.index(b"\n") == len(line) - 1


def test_lone_surrogate_is_escaped_in_its_own_line_alone(tmp_path: Path) -> None:
    results = [RESULT, replace(RESULT, index=1, hypothesis="a \ud83d man, \udc80 é 😀"), replace(RESULT, index=2)]
    lines = [to_line(result) for result in results]
    (tmp_path / "r.jsonl").write_bytes(b"".join(lines))
    assert read_results(tmp_path / "r.jsonl") == results
    assert [line.isascii() for line in lines] == [False, True, False]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", ["distance", "scores"])
def test_number_that_is_not_finite_becomes_an_error_line(place: str, number: float) -> None:
    values = {"distance": number, "scores": {"original": {"neutral": 0.5, "entailment": number}}}
    found = from_line(to_line(replace(RESULT, **{place: values[place]})), 0, PATH)  # type: ignore[arg-type]
    name = {"distance": "distance", "scores": "scores.original.entailment"}[place]
    assert (found.status, found.message) == ("error", f"expected finite numbers, got {name} {number}")
    assert (found.premise, found.prediction, found.queries) == (RESULT.premise, "neutral", 3)
    assert (found.scores, found.adversarial, found.distance, found.edits) == (None, None, None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line[:30], "expected a whole JSON line 0 of results.jsonl"),
        (lambda line: b"\xff" + line, "expected a whole JSON line 0 of results.jsonl"),
        (lambda line: line.replace(b"1.25", b"NaN"), "expected a whole JSON line 0 of results.jsonl"),
        (lambda line: b"[" * 10**5 + b"\n", "expected a whole JSON line 0 of results.jsonl"),
        (lambda line: b'{"index": 0}\n', r"expected fields .* in line 0 of results.jsonl"),
        (lambda line: line.replace(b'"queries": 3', b'"queries": "3"'), "expected queries of type int in line 0 .*'3'"),
        (
            lambda line: line.replace(b'"edits": 1', b'"edits": true'),
            "expected edits of type int or NoneType in line 0",
        ),
        (lambda line: line.replace(b"success", b"victory"), "expected status among success, .* in line 0 .*'victory'"),
        (lambda line: line.rstrip(b"\n"), "expected line 0 of results.jsonl to be whole"),
    ],
)
def test_broken_line_is_refused_by_file_and_number(change: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_line(change(to_line(RESULT)), 0, PATH)


def test_broken_line_is_found_when_the_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write(path, 3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"expected line 2 of {path} to be whole"):
        read_results(path)
    path.write_bytes(b"".join(to_line(replace(RESULT, index=i)) for i in (0, 2)))
    with pytest.raises(ValueError, match=f"expected line 1 to be whole and in order, got 2 in {path}"):
        read_results(path)


def test_lines_are_read_as_a_list_would_be(tmp_path: Path) -> None:
    expected = write(tmp_path / "r.jsonl", 9)
    results = read_results(tmp_path / "r.jsonl")
    assert (len(results), list(results), list(reversed(results))) == (9, expected, expected[::-1])
    assert (results[0], results[8], results[-1]) == (expected[0], expected[8], expected[8])
    for part in (slice(2, 5), slice(None, None, -2), slice(7, 99), slice(5, 2)):
        assert list(results[part]) == expected[part]
    assert list(results[2:8][1:3]) == expected[3:5]
    assert results == expected
    assert results[1:] != expected
    assert expected[3] in results
    with pytest.raises(IndexError):
        results[9]


def test_lines_are_not_held_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", 3)
    results = read_results(tmp_path / "r.jsonl")
    assert results[1] is not results[1]
    content = (tmp_path / "r.jsonl").read_bytes()
    (tmp_path / "r.jsonl").write_bytes(content.replace(b"A boy plays", b"A cat plays"))
    assert {result.adversarial for result in results} == {"A cat plays"}


def test_empty_file_has_no_results(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"")
    assert list(read_results(tmp_path / "r.jsonl")) == []
