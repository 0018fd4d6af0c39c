import math

import pytest

from textsem.constraints.fluency import FluencyConstraint
from textsem.protocols import CandidateRows, Constraint
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

CORPUS = [tokenize(t).words for t in ["a man sleeps.", "a dog sleeps.", "a dog runs.", "the man runs."] * 3]
MODEL = TrigramLanguageModel.fit(CORPUS, vocabulary=Vocabulary(["a", "the", "man", "dog", "sleeps", "runs", "."]))


def rows(originals: list[str], candidates: list[str]) -> CandidateRows:
    return CandidateRows(["p"] * len(originals), originals, candidates, [0] * len(originals))


def perplexity(text: str) -> float:
    return float(MODEL.perplexity([tokenize(text).words])[0])


def test_threshold_is_the_ratio_of_perplexities() -> None:
    old, new = "A man sleeps.", "Sleeps a the."
    ratio = perplexity(new) / perplexity(old)
    assert ratio > 2
    assert FluencyConstraint(MODEL, max_ratio=1.001 * ratio).accepts(rows([old], [new])) == [True]
    assert FluencyConstraint(MODEL, max_ratio=0.999 * ratio).accepts(rows([old], [new])) == [False]


def test_each_row_is_compared_with_its_own_original() -> None:
    constraint = FluencyConstraint(MODEL)
    good, bad = "A man sleeps.", "Sleeps a the."
    assert constraint.accepts(rows([good, bad, good, bad], [bad, good, good, bad])) == [False, True, True, True]


def test_row_does_not_depend_on_the_others() -> None:
    originals = ["A man sleeps.", "A dog runs.", "The man runs.", "Sleeps a the."]
    candidates = ["A dog sleeps.", "Dog the runs runs a man sleeps.", "The zebra runs.", "A man"]
    constraint = FluencyConstraint(MODEL)
    alone = [constraint.accepts(rows([a], [b]))[0] for a, b in zip(originals, candidates, strict=True)]
    assert constraint.accepts(rows(originals, candidates)) == alone
    assert set(alone) == {True, False}


def test_case_has_no_influence() -> None:
    assert FluencyConstraint(MODEL, max_ratio=1.0).accepts(rows(["a man sleeps."], ["A MAN  sleeps ."])) == [True]


def test_no_candidate_is_no_answer() -> None:
    assert FluencyConstraint(MODEL).accepts(rows([], [])) == []


def test_it_is_a_constraint_named_fluency() -> None:
    assert isinstance(FluencyConstraint(MODEL), Constraint)
    assert FluencyConstraint.name == "fluency"


@pytest.mark.parametrize("ratio", [0.0, -1.0])
def test_ratio_of_nothing_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=f"expected max_ratio above 0, got {ratio}"):
        FluencyConstraint(MODEL, max_ratio=ratio)


def test_score_is_the_log_ratio_of_perplexities() -> None:
    old, new = "A man sleeps.", "Sleeps a the."
    expected = math.log(perplexity(old) / perplexity(new))
    assert FluencyConstraint(MODEL).scores(rows([old, old], [new, old])) == pytest.approx([expected, 0.0], abs=1e-6)
    assert FluencyConstraint(MODEL).scores(rows([], [])) == []
