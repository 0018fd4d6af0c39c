"""The meaning table as a part of the adversary: it goes with the folder, and only where the config says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import textsem
from tests.builders import TINY_CONFIG, build_tiny_adversary
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.meaning import MEANING_FILE, MeaningTable
from textsem.text.vocabulary import UNKNOWN_ID, Vocabulary


def with_meaning() -> TextAdversary:
    model = build_tiny_adversary()
    vectors = torch.randn(model.vocabulary.size, 5, generator=torch.Generator().manual_seed(3))
    model.meaning = MeaningTable(vectors.half())
    return model


def test_table_comes_back_from_the_folder(tmp_path: Path) -> None:
    model = with_meaning()
    model.save_pretrained(tmp_path)
    loaded = TextAdversary.from_pretrained(tmp_path)
    assert loaded.meaning is not None
    assert model.meaning is not None
    assert torch.equal(loaded.meaning.vectors, model.meaning.vectors)
    assert json.loads((tmp_path / "config.json").read_text())["has_meaning"] is True
    loaded.save_pretrained(tmp_path / "again")
    for name in (MEANING_FILE, "config.json", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_folder_without_a_table_has_none(tmp_path: Path) -> None:
    build_tiny_adversary().save_pretrained(tmp_path)
    assert not (tmp_path / MEANING_FILE).exists()
    assert TextAdversary.from_pretrained(tmp_path).meaning is None


def test_table_of_an_earlier_model_is_not_taken(tmp_path: Path) -> None:
    with_meaning().save_pretrained(tmp_path)
    build_tiny_adversary().save_pretrained(tmp_path)
    assert TextAdversary.from_pretrained(tmp_path).meaning is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "expected the meaning table of this adversary in"),
        (cut, "expected the meaning table of this adversary in"),
        (
            lambda path: MeaningTable(torch.zeros(9, 2)).save(path.parent),
            "expected a meaning table of 44 words in .*, as vocabulary.json has, got 9; take all files from one folder",
        ),
    ],
)
def test_damaged_table_is_one_clear_error(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    with_meaning().save_pretrained(tmp_path)
    damage(tmp_path / MEANING_FILE)
    with pytest.raises(ValueError, match=message):
        TextAdversary.from_pretrained(tmp_path)


def test_table_of_other_words_is_refused() -> None:
    model = build_tiny_adversary()
    with pytest.raises(ValueError, match="expected a meaning table of 44 words, got 43"):
        TextAdversary(TINY_CONFIG, model.vocabulary, meaning=MeaningTable(torch.zeros(43, 2)))


def test_special_words_mean_nothing_after_loading(tmp_path: Path) -> None:
    model = with_meaning()
    model.save_pretrained(tmp_path)
    loaded = TextAdversary.from_pretrained(tmp_path).meaning
    assert loaded is not None
    assert not loaded.vectors[:UNKNOWN_ID].any()
    assert loaded.vectors[UNKNOWN_ID].any()


def test_bundled_table_knows_what_words_mean() -> None:
    folder = Path(textsem.__file__).parent / "assets" / "adversary"
    vocabulary = Vocabulary(json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")))
    assert json.loads((folder / "config.json").read_text())["has_meaning"] is True
    table = MeaningTable.load(folder)
    assert table.vectors.shape == (vocabulary.size, 128)
    texts = [
        "a man plays guitar .",
        "a guy plays guitar .",
        "a man plays a guitar",
        "a man sleeps .",
        "dogs run outside .",
    ]
    ids = encode_sentences([text.split() for text in texts], vocabulary=vocabulary, max_length=6)
    same, guy, article, sleeps, dogs = table.similarity(ids[0], ids).tolist()
    assert same == pytest.approx(1.0)
    assert min(guy, article) > 0.85 > sleeps > dogs
