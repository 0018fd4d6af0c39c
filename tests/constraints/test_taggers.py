import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nltk
import pytest

from textsem.constraints.taggers import NltkTagger, SpacyTagger, load_tagger

MODEL = "averaged_perceptron_tagger_eng"


@pytest.fixture
def nltk_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of nltk with a tagger written by hand: two words it knows, one rule for the rest."""
    folder = tmp_path / "taggers" / MODEL
    folder.mkdir(parents=True)
    parts = {
        "weights": {"bias": {"NN": 1.0}, "i-1 word dog": {"VBZ": 2.0}},
        "tagdict": {"the": "DT", ".": "."},
        "classes": ["NN", "VBZ", "DT", "."],
    }
    for name, content in parts.items():
        (folder / f"{MODEL}.{name}.json").write_text(json.dumps(content))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    return tmp_path


@pytest.fixture
def no_nltk_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])


@pytest.fixture
def no_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)


@pytest.fixture
def fake_spacy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for spaCy that tags a word by its length, the models it has, the first one that is loaded last."""
    models = ["xx_ent_wiki_sm", "en_core_web_sm", "en_core_web_md"]

    class Pipeline:
        vocab = "vocabulary"

        def pipe(self, documents: list[Any]) -> list[Any]:
            return documents

    def load(name: str, exclude: list[str]) -> Pipeline:
        assert name in models
        assert "tagger" not in exclude
        models.append(f"loaded {name}")
        return Pipeline()

    def make(vocab: str, words: list[str]) -> list[Any]:
        assert vocab == "vocabulary"
        return [SimpleNamespace(tag_=f"T{len(word)}") for word in words]

    spacy, tokens = ModuleType("spacy"), ModuleType("spacy.tokens")
    vars(spacy).update(load=load, util=SimpleNamespace(get_installed_models=lambda: models), tokens=tokens)
    vars(tokens).update(Doc=make)
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    monkeypatch.setitem(sys.modules, "spacy.tokens", tokens)
    return models


SENTENCES = [("the", "dog", "runs", "."), (), ("runs",)]


@pytest.mark.usefixtures("nltk_folder")
def test_nltk_tags_each_sentence_by_its_own_words() -> None:
    assert NltkTagger().tag(SENTENCES) == [["DT", "NN", "VBZ", "."], [], ["NN"]]
    assert NltkTagger().name == f"nltk {MODEL}"


def test_spacy_tags_each_sentence_with_the_first_english_model(fake_spacy: list[str]) -> None:
    tagger = SpacyTagger()
    assert tagger.name == "spacy en_core_web_md"
    assert fake_spacy[-1] == "loaded en_core_web_md"
    assert tagger.tag(SENTENCES) == [["T3", "T3", "T4", "T1"], [], ["T4"]]


@pytest.mark.usefixtures("nltk_folder", "fake_spacy")
def test_auto_takes_nltk_where_both_are_there() -> None:
    assert load_tagger().name == load_tagger("nltk").name == f"nltk {MODEL}"
    assert load_tagger("spacy").name == "spacy en_core_web_md"


@pytest.mark.usefixtures("no_nltk_model", "fake_spacy")
def test_auto_takes_spacy_where_nltk_has_no_model() -> None:
    assert load_tagger("auto").name == "spacy en_core_web_md"
    with pytest.raises(ValueError, match=r"expected nltk to find .* NLTK_DATA"):
        load_tagger("nltk")


@pytest.mark.usefixtures("no_nltk_model", "no_spacy")
def test_error_names_both_mends_where_neither_is_there() -> None:
    with pytest.raises(ValueError, match="found none") as caught:
        load_tagger()
    for mend in (f"python -m nltk.downloader {MODEL}", "NLTK_DATA", "pip install spacy", "spacy download en_core"):
        assert mend in str(caught.value)


def test_spacy_without_an_english_model_says_so(fake_spacy: list[str]) -> None:
    fake_spacy[:] = ["de_core_news_sm"]
    with pytest.raises(ValueError, match=r"expected an English model of spaCy, found none: .*spacy download"):
        load_tagger("spacy")


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a kind of auto, nltk or spacy, got 'treetagger'"):
        load_tagger("treetagger")  # type: ignore[arg-type]
