"""New rows made before a training, and against the model in training."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from textsem.adversarial_training import RenewedRows, rows_from, rows_once
from textsem.augmentation import ADVERSARIAL, NEIGHBOURS, AugmentationConfig
from textsem.data.nli import NliData, load_nli
from textsem.processes import Processes
from textsem.targets.loading import BUNDLED_FOLDER, load_word_level_target
from textsem.targets.word_level import WordLevelTarget
from textsem.training.new_pairs import NewPairs, new_pairs_file, write_new_pairs

ROWS = [
    ("A man in a red shirt plays a guitar on the street.", "A man is playing music outside.", "entailment"),
    ("Two dogs run across a beach.", "The dogs are running.", "entailment"),
    ("A woman reads a book in a park.", "A woman is sleeping at home.", "contradiction"),
    ("Children are playing football in the rain.", "The children play for a school team.", "neutral"),
    ("An old man sits on a bench.", "An old man is sitting.", "entailment"),
    ("A girl rides a horse over a field.", "A girl rides her brown horse home in the evening.", "neutral"),
]
OPTIONS: dict[str, Any] = {"filter_model": "none", "num_candidates": 30, "boundary_width": 9.0}
CONFIG = AugmentationConfig(**OPTIONS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NliData:
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    lines = [json.dumps(dict(zip(("premise", "hypothesis", "label"), row, strict=True))) for row in ROWS]
    path.write_text("\n".join(lines))
    return load_nli(str(path))


@pytest.fixture(scope="module")
def renewer(data: NliData) -> RenewedRows:
    return RenewedRows(data, CONFIG, every=2)


@pytest.fixture(scope="module")
def model() -> WordLevelTarget:
    return load_word_level_target(BUNDLED_FOLDER).eval()


def other_model() -> WordLevelTarget:
    """Return a model with other weights that knows fewer answers."""
    other = load_word_level_target(BUNDLED_FOLDER).eval()
    with torch.no_grad():
        other.embedding.weight.mul_(0.5)
    return other


def flips(model: WordLevelTarget, pairs: NewPairs) -> set[str]:
    predicted = model.predict(pairs.premises, pairs.hypotheses).argmax(dim=1).tolist()
    return {h for h, label, own in zip(pairs.hypotheses, pairs.labels, predicted, strict=True) if label != own}


def made_by(pairs: NewPairs, origin: str) -> set[str]:
    return {h for h, own in zip(pairs.hypotheses, pairs.origins, strict=True) if own == origin}


def test_rows_are_made_against_the_model_that_is_given(renewer: RenewedRows, model: WordLevelTarget) -> None:
    for present in (model, other_model()):
        made = renewer.rows(present, 2)
        assert made is not None
        found = made_by(made, ADVERSARIAL)
        assert found
        assert found <= flips(present, made)
        assert made_by(made, "boundary").isdisjoint(flips(present, made))
        assert renewer.counts[-1]["kept adversarial"] == len(found)


def test_same_model_and_epoch_give_the_same_rows_and_leave_dice_alone(
    renewer: RenewedRows, model: WordLevelTarget
) -> None:
    dice = torch.get_rng_state()
    first, again, later = (renewer.rows(model, epoch) for epoch in (2, 2, 4))
    assert first is not None
    assert again is not None
    assert later is not None
    assert first.text() == again.text() != later.text()
    assert torch.equal(torch.get_rng_state(), dice)
    assert not model.training


def test_rows_come_with_their_pairs(renewer: RenewedRows, model: WordLevelTarget, data: NliData) -> None:
    made = renewer.rows(model, 2)
    assert made is not None
    pairs = set(zip(data.premises, data.hypotheses, data.labels, strict=True))
    assert set(zip(made.premises, made.originals, made.labels, strict=True)) <= pairs
    assert made.seconds > 0


def test_only_every_second_epoch_renews(renewer: RenewedRows, model: WordLevelTarget) -> None:
    assert [renewer.rows(model, epoch) is None for epoch in (0, 1, 3)] == [True] * 3


def test_settings_name_no_folder(data: NliData, tmp_path: Path) -> None:
    (tmp_path / "filter").symlink_to(BUNDLED_FOLDER)
    renewer = RenewedRows(data, AugmentationConfig(filter_model=str(tmp_path / "filter"), share=0.5), every=3)
    text = json.dumps(renewer.settings)
    assert str(tmp_path) not in text
    settings = json.loads(text)
    assert settings["every"] == 3
    assert settings["options"]["share"] == 0.5
    assert settings["models"]["filter_model"]["name"] == "filter"
    assert set(settings["models"]) == {"adversary", "filter_model"}


def test_what_does_not_fit_is_told_at_once(data: NliData) -> None:
    with pytest.raises(ValueError, match="expected no target, for it is the model in training, got bundled"):
        RenewedRows(data, AugmentationConfig(target="bundled", filter_model="none"))
    with pytest.raises(ValueError, match="every 1 or more epochs, got 0"):
        RenewedRows(data, CONFIG, every=0)
    with pytest.raises(ValueError, match="no/such/filter"):
        RenewedRows(data, AugmentationConfig(filter_model="no/such/filter"))


def test_rows_before_the_training_are_neighbours_or_flips_of_a_target(data: NliData, model: WordLevelTarget) -> None:
    alone = rows_once(data, CONFIG)
    assert set(alone.origins) == {NEIGHBOURS}
    against = rows_once(data, AugmentationConfig(target="bundled", **OPTIONS))
    assert made_by(against, ADVERSARIAL)
    assert made_by(against, ADVERSARIAL) <= flips(model, against)
    assert against.settings["models"]["target"]["name"] == "bundled"


def test_resumed_training_gets_its_own_rows(data: NliData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = rows_once(data, CONFIG)
    write_new_pairs(tmp_path, 0, made)
    monkeypatch.setattr(Processes, "current", lambda: Processes(0, 2))
    read = rows_once(data, CONFIG, resumed=tmp_path)
    assert (read.text(), read.settings) == (made.text(), made.settings)
    with pytest.raises(ValueError, match="expected one process for making new rows before a training, got 2"):
        rows_once(data, CONFIG)


def test_rows_are_read_from_what_was_made_before(data: NliData, tmp_path: Path) -> None:
    made = rows_once(data, CONFIG)
    write_new_pairs(tmp_path, 0, made)
    assert rows_from(new_pairs_file(tmp_path, 0)).text() == made.text()
    originals = tmp_path / "originals.jsonl"
    originals.write_text(made.text().replace(f'"{NEIGHBOURS}"', '"original"'))
    with pytest.raises(ValueError, match="got the data's own alone"):
        rows_from(originals)


def test_no_row_at_all_is_told(data: NliData) -> None:
    with pytest.raises(ValueError, match="expected new rows of 6 pairs, got none"):
        rows_once(data, AugmentationConfig(filter_model="bundled", min_margin=1000.0))
