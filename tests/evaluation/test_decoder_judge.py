"""The trigram that judges: the bundled one, or one fitted on a corpus with the corpus' own words."""

import json
from pathlib import Path

import pytest

from textsem.evaluation import decoder_judge
from textsem.evaluation.decoder_judge import load_trigram

CAPTIONS = ["A man sleeps.", "A zebra sleeps in the park.", "The zebra runs"]


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    path = tmp_path / "captions.jsonl"
    path.write_text("".join(json.dumps({"caption": caption}) + "\n" for caption in CAPTIONS))
    return str(path)


def test_words_are_those_of_the_corpus(corpus: str, tmp_path: Path) -> None:
    trigram, folder, fitted = load_trigram([corpus], tmp_path)
    assert set(trigram.vocabulary.ids) >= {"zebra", "park", "."}
    assert (folder, fitted) == (tmp_path / "lm_data", {"fitted_on": [corpus], "sentences": 3})
    seen, unseen = trigram.perplexity([("a", "zebra", "sleeps"), ("park", "the", "a")])
    assert seen < unseen
    before = (folder / "trigram" / "trigram.safetensors").read_bytes()
    again, _, _ = load_trigram([corpus], tmp_path)
    assert (folder / "trigram" / "trigram.safetensors").read_bytes() == before
    assert (again.perplexity([("a", "zebra")]) == trigram.perplexity([("a", "zebra")])).all()


def test_rare_words_give_way_to_frequent_ones(corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_judge, "MAX_WORDS", 5)
    trigram, _, _ = load_trigram([corpus], tmp_path)
    assert trigram.vocabulary.words[4:] == (".", "a", "sleeps", "the", "zebra")


def test_without_a_corpus_the_bundled_one_judges(tmp_path: Path) -> None:
    trigram, folder, fitted = load_trigram([], tmp_path)
    assert (folder / "trigram" / "trigram.safetensors").is_file()
    assert trigram.vocabulary.size > 10_000
    assert "sentences" not in fitted
    assert not list(tmp_path.iterdir())
