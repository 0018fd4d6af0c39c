import pytest
import torch

from tests.constraints.fakes import as_rows, save_tiny_encoder
from textsem.constraints.sentence_encoder import SentenceEncoder
from textsem.constraints.similarity import SimilarityConstraint
from textsem.protocols import Constraint, Ranker

ORIGINALS = ["a man is sleeping", "a man is sleeping", "two people"]
CANDIDATES = ["a woman is sleeping", "a man is sleeping", "a dog in the park ."]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    return SentenceEncoder(str(save_tiny_encoder(tmp_path_factory.mktemp("encoder"))))


def test_scores_are_the_cosines_of_each_row(encoder: SentenceEncoder) -> None:
    before, after = encoder.encode(ORIGINALS), encoder.encode(CANDIDATES)
    expected = torch.nn.functional.cosine_similarity(before, after)
    scores = SimilarityConstraint(encoder).scores(as_rows(ORIGINALS, CANDIDATES))
    torch.testing.assert_close(torch.tensor(scores), expected)
    assert scores[1] == pytest.approx(1.0)
    assert max(scores[0], scores[2]) < 0.999


def test_threshold_is_the_cosine(encoder: SentenceEncoder) -> None:
    rows = as_rows(ORIGINALS, CANDIDATES)
    score = SimilarityConstraint(encoder).scores(rows)[0]
    assert SimilarityConstraint(encoder, min_similarity=score).accepts(rows)[0] is True
    assert SimilarityConstraint(encoder, min_similarity=score + 1e-6).accepts(rows)[0] is False
    assert SimilarityConstraint(encoder, min_similarity=-1.0).accepts(rows) == [True, True, True]


def test_row_does_not_depend_on_the_others(encoder: SentenceEncoder) -> None:
    constraint = SimilarityConstraint(encoder)
    alone = [constraint.scores(as_rows([a], [b]))[0] for a, b in zip(ORIGINALS, CANDIDATES, strict=True)]
    assert constraint.scores(as_rows(ORIGINALS, CANDIDATES)) == alone


def test_it_is_a_constraint_and_a_ranker_named_similarity(encoder: SentenceEncoder) -> None:
    constraint = SimilarityConstraint(encoder)
    assert isinstance(constraint, Constraint)
    assert isinstance(constraint, Ranker)
    assert constraint.name == "similarity"
    assert constraint.min_similarity == 0.8
    assert constraint.accepts(as_rows([], [])) == constraint.scores(as_rows([], [])) == []


@pytest.mark.parametrize("value", [1.01, -1.01, float("nan")])
def test_threshold_that_is_no_cosine_is_refused(encoder: SentenceEncoder, value: float) -> None:
    with pytest.raises(ValueError, match=f"expected min_similarity between -1 and 1, got {value}"):
        SimilarityConstraint(encoder, min_similarity=value)
