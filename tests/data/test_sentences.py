import json
from pathlib import Path

import pytest

from textsem.data.nli import nli_from_table
from textsem.data.sentences import comparable, load_sentences
from textsem.data.table import Table


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    rows = [
        {"premise": "A dog runs.", "hypothesis": " An animal moves. ", "label": "-"},
        {"premise": "A dog runs.", "hypothesis": "A CAT, perhaps,  sleeps", "label": "neutral"},
        {"premise": None, "hypothesis": " . ", "label": "neutral"},
    ]
    path = tmp_path / "pairs_train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def captions(tmp_path: Path) -> str:
    path = tmp_path / "captions.csv"
    path.write_text("image,caption\n1.jpg,A boat sinks .\n2.jpg,A dog runs.\n")
    return str(path)


def test_sentences_of_all_sources_are_unique_and_in_order(pairs: str, captions: str) -> None:
    data = load_sentences([pairs, captions])
    assert data.sentences == ("A dog runs.", "An animal moves.", "A CAT, perhaps,  sleeps", "A boat sinks .")
    assert (data.dropped_held_out, data.sources) == (0, (pairs, captions))


def test_held_out_sentences_are_dropped_whatever_their_case_and_punctuation(pairs: str, captions: str) -> None:
    columns: dict[str, list[str]] = {
        "premise": ["a boat sinks"],
        "hypothesis": ["A cat perhaps sleeps!"],
        "label": ["e"],
    }
    held_out = nli_from_table(Table("held out", "test", columns, tuple(columns), {}))
    data = load_sentences([pairs, captions], held_out=[held_out])
    assert data.sentences == ("A dog runs.", "An animal moves.")
    assert data.dropped_held_out == 2


def test_row_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"premise": "A."}\n{"premise"\n')
    with pytest.raises(ValueError, match=r"expected a JSON object on line 2 of .*a\.jsonl"):
        load_sentences([str(tmp_path / "a.jsonl")])


def test_roles_choose_the_columns(pairs: str, captions: str) -> None:
    assert load_sentences([pairs], roles=["hypothesis"]).sentences == ("An animal moves.", "A CAT, perhaps,  sleeps")
    with pytest.raises(ValueError, match=r"one of the columns hypothesis, sentence2 in .*, got image, caption"):
        load_sentences([captions], roles=["hypothesis"])


def test_different_words_stay_different() -> None:
    assert comparable("A dog-house.") == comparable("a DOG  house")
    assert comparable("A dog.") != comparable("A dogs.")
