"""Judgements against hand-made answers, and the file that keeps them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.builders import build_tiny_adversary
from tests.evaluation.judged import FLIP, RIGHT, ten_lines
from textsem.evaluation.judges import Judgement, judge_results, read_judgements, write_judgements
from textsem.outputs import AttackResult
from textsem.protocols import Target
from textsem.targets.callable import CallableTarget
from textsem.text.ngram import TrigramLanguageModel


class SharedLetters:
    """Similarity: the share of the original's letters that the candidate has as well."""

    def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> Tensor:
        """Return one number a row."""
        return torch.tensor([len(set(a) & set(b)) / len(set(a)) for a, b in zip(originals, candidates, strict=True)])


class Counting:
    """A judge that says neutral of sleepers and entailment of others, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def __call__(self, pairs: list[tuple[str, str]]) -> list[str]:
        """Return labels."""
        self.calls.append(pairs)
        return ["neutral" if "sleeps" in hypothesis else "entailment" for _, hypothesis in pairs]


def language_model() -> TrigramLanguageModel:
    model = build_tiny_adversary(has_trigram=True).language_model
    assert model is not None
    return model


def some_results() -> list[AttackResult]:
    lines = [
        FLIP,
        replace(FLIP, adversarial="A zebra runs."),
        RIGHT,
        replace(RIGHT, status="skipped", label="entailment", hypothesis="A dog runs.", queries=0),
        replace(FLIP, hypothesis="A zebra sleeps.", adversarial="A zebra runs."),
    ]
    return [replace(line, index=i) for i, line in enumerate(lines)]


def test_judges_encoder_and_language_model_are_told_what_to_compare() -> None:
    model = language_model()
    other = CallableTarget(lambda pairs: ["contradiction"] * len(pairs))
    judges: dict[str, Target] = {"z": CallableTarget(Counting()), "a": other}
    found = judge_results(some_results(), judges, SharedLetters(), model)
    assert [j.index for j in found] == [0, 1, 2, 3, 4]
    assert [j.before["z"] for j in found] == ["neutral", "neutral", "neutral", "entailment", "neutral"]
    assert [j.after and j.after["z"] for j in found] == ["neutral", "entailment", None, None, "entailment"]
    assert {j.before["a"] for j in found} == {"contradiction"}
    assert [j.has_new_unknown for j in found] == [False, True, None, None, False]
    assert found[2] == Judgement(2, {"z": "neutral", "a": "contradiction"})
    # "A zebra runs." has seven of the ten letters and marks of "A man sleeps.", "A woman sleeps." all of them.
    assert [found[0].similarity, found[1].similarity] == pytest.approx([1, 0.7])
    expected = model.perplexity([("a", "zebra", "runs", "."), ("a", "man", "sleeps", ".")])
    assert found[1].perplexity_ratio == pytest.approx(expected[0] / expected[1], rel=1e-6)


def test_equal_pairs_are_asked_once_and_all_in_one_call() -> None:
    judge = Counting()
    judge_results(some_results(), {"judge": CallableTarget(judge)}, None, None)
    before, after = judge.calls
    assert [h for _, h in before] == ["A man sleeps.", "A dog runs.", "A zebra sleeps."]
    assert [h for _, h in after] == ["A woman sleeps.", "A zebra runs."]


def test_what_is_absent_stays_open() -> None:
    judges: dict[str, Target] = {"judge": CallableTarget(Counting())}
    found = judge_results(some_results(), judges, None, None)[0]
    assert (found.similarity, found.perplexity_ratio, found.has_new_unknown) == (None, None, None)
    assert judge_results(some_results(), judges, SharedLetters(), None)[0].similarity is not None
    assert judge_results(some_results(), judges, None, language_model())[0].has_new_unknown is False
    assert judge_results([], judges, SharedLetters(), language_model()) == []
    with pytest.raises(ValueError, match="at least one judge"):
        judge_results(some_results(), {}, None, None)


def test_answers_that_are_no_numbers_are_refused() -> None:
    class Broken:
        label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            return torch.full((len(premises), 3), float("nan"))

        def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> Tensor:
            return torch.zeros(1)

    with pytest.raises(ValueError, match="finite probabilities of judge broken"):
        judge_results(some_results(), {"broken": Broken()}, None, None)
    with pytest.raises(ValueError, match=r"expected 3 finite similarities, got shape \[1\]"):
        judge_results(some_results(), {"judge": CallableTarget(Counting())}, Broken(), None)


def test_judgements_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    _, judgements = ten_lines()
    judgements[0] = replace(judgements[0], similarity=0.1234567, perplexity_ratio=1.9999999)
    write_judgements(path, judgements)
    found = read_judgements(path)
    assert found == [replace(judgements[0], similarity=0.12346, perplexity_ratio=2.0), *judgements[1:]]
    assert list(found[0].before) == ["first", "second"]
    content = path.read_bytes()
    write_judgements(path, found)
    assert path.read_bytes() == content
    assert {p.name for p in tmp_path.iterdir()} == {"judgements.jsonl"}


def test_order_of_judges_survives_the_file(tmp_path: Path) -> None:
    write_judgements(tmp_path / "j", [Judgement(0, {"z": "neutral", "a": "neutral"})])
    assert list(read_judgements(tmp_path / "j")[0].before) == ["z", "a"]


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    _, judgements = ten_lines()
    write_judgements(path, judgements)
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged, message in (
        ([*lines[:2], lines[2][:30]], "whole JSON line 2"),
        ([lines[1], lines[0]], "in the order of the pairs, got 0 after 1"),
        ([lines[0].replace(b'"before"', b'"ahead"')], "expected fields"),
        ([lines[0].rstrip(b"\n")], "in a whole line 0"),
        ([lines[0], b"\n"], "whole JSON line 1"),
        ([lines[0], b"[" * 100_000 + b"\n"], "whole JSON line 1"),
        ([lines[0].replace(b'"index": 0', b'"index": "0"')], "another index in line 0"),
        ([lines[0].replace(b'"index": 0', b'"index": -1')], "another index in line 0"),
        ([lines[0].replace(b'"first": "neutral"', b'"first": 1')], "another before in line 0"),
        ([lines[0].replace(b'"similarity": 0.9', b'"similarity": NaN')], "another similarity in line 0"),
        ([lines[0].replace(b'"similarity": 0.9', b'"similarity": true')], "another similarity in line 0"),
        ([lines[0].replace(b"false", b"0")], "another has_new_unknown in line 0"),
    ):
        path.write_bytes(b"".join(damaged))
        with pytest.raises(ValueError, match=message) as error:
            read_judgements(path)
        assert "in the order" in message or f"{path}" in str(error.value)
    with pytest.raises(ValueError, match="in the order of the pairs"):
        write_judgements(path, judgements[::-1])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_judgements(path, [replace(judgements[0], similarity=float("nan"))])
