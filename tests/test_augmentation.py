"""The augmenter in the hands of `datasets`: map, transform, streams, workers, caches; the same rows everywhere."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, IterableDataset, Value
from datasets.fingerprint import Hasher
from torch import Tensor

from tests.builders import build_tiny_adversary
from textsem import TargetError, load_target
from textsem.augmentation import (
    ADVERSARIAL,
    NEIGHBOURS,
    ORIGINAL,
    SOURCES,
    AdversarialAugmenter,
    AugmentationConfig,
)
from textsem.data.nli import load_nli
from textsem.evaluation import augmentation_config
from textsem.evaluation.assembly import load_adversary
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, agree
from textsem.text.tokenization import tokenize

PAIRS = [
    ("A man in a red shirt plays a guitar on the street.", "A man is playing music outside.", 0),
    ("Two dogs run across a beach.", "The dogs are running.", 0),
    ("A woman reads a book in a park.", "A woman is sleeping at home.", 2),
    ("Children are playing football in the rain.", "The children play for a school team.", 1),
    ("An old man sits on a bench.", "An old man is sitting.", 0),
    ("A girl rides a horse over a field.", "A girl rides her brown horse home in the evening.", 1),
]
ORDER = ("contradiction", "entailment", "neutral")
CONFIG = AugmentationConfig(filter_model="none", num_candidates=30, boundary_width=9.0)


class HashTarget:
    """Gives every pair its own class by a hash of the premise, and leaves it for one hypothesis in three."""

    label_names: tuple[str, ...] = LABEL_NAMES

    def __init__(self) -> None:
        self.rows = 0

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.rows += len(premises)
        known = {premise: (hypothesis, label) for premise, hypothesis, label in PAIRS}
        answers = torch.full((len(premises), 3), 0.2)
        for row, (premise, hypothesis) in enumerate(zip(premises, hypotheses, strict=True)):
            original, label = known[premise]
            number = int.from_bytes(hashlib.sha256(hypothesis.encode()).digest()[:4], "big")
            answers[row, (label + (hypothesis != original and number % 3 == 0)) % 3] = 0.6
        return answers


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what `datasets` caches out of the user's own cache."""
    folder, before = tmp_path_factory.mktemp("cache"), datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = folder
    datasets.disable_progress_bars()
    yield folder
    datasets.enable_progress_bars()
    datasets.config.HF_DATASETS_CACHE = before


@pytest.fixture(scope="module")
def augmenter() -> AdversarialAugmenter:
    """Return an augmenter with all three sources; shared, so that no test may change it."""
    return AdversarialAugmenter(CONFIG, target=HashTarget())


def dataset(order: Sequence[str] = LABEL_NAMES) -> Dataset:
    features = Features(
        premise=Value("string"), hypothesis=Value("string"), label=ClassLabel(names=list(order)), number=Value("int32")
    )
    rows = [
        {"premise": premise, "hypothesis": hypothesis, "label": order.index(LABEL_NAMES[label]), "number": i}
        for i, (premise, hypothesis, label) in enumerate(PAIRS)
    ]
    return Dataset.from_list(rows, features=features)


def test_each_row_is_followed_by_its_new_ones(augmenter: AdversarialAugmenter) -> None:
    out = dataset().map(augmenter, batched=True, batch_size=4)
    assert len(out) > len(PAIRS)
    assert set(out["origin"]) == {ORIGINAL, *SOURCES}
    assert [row["number"] for row in out] == sorted(row["number"] for row in out)
    originals = [row for row in out if row["origin"] == ORIGINAL]
    assert [(row["premise"], row["hypothesis"], row["label"]) for row in originals] == PAIRS
    for row in out:
        premise, hypothesis, label = PAIRS[row["number"]]
        assert (row["premise"], row["original_hypothesis"], row["label"]) == (premise, hypothesis, label)
        assert (row["hypothesis"] == hypothesis) == (row["origin"] == ORIGINAL)


def test_flips_flip_and_the_others_do_not(augmenter: AdversarialAugmenter) -> None:
    rows = [row for row in dataset().map(augmenter, batched=True) if row["origin"] != ORIGINAL]
    probabilities = HashTarget().predict([row["premise"] for row in rows], [row["hypothesis"] for row in rows])
    for row, prediction in zip(rows, probabilities.argmax(dim=1).tolist(), strict=True):
        if row["origin"] != NEIGHBOURS:
            assert (prediction != row["label"]) == (row["origin"] == ADVERSARIAL)


@pytest.mark.parametrize("order", [LABEL_NAMES, ORDER])
def test_features_and_label_names_stay_and_say_what_numbers_mean(
    augmenter: AdversarialAugmenter, order: Sequence[str]
) -> None:
    out = augmenter.augment(dataset(order))
    expected = dataset(order).features
    assert {name: out.features[name] for name in expected} == dict(expected)
    assert out.features["origin"] == out.features["original_hypothesis"] == Value("string")
    names = {(row["hypothesis"], row["origin"], order[row["label"]]) for row in out}
    assert names == {(r["hypothesis"], r["origin"], LABEL_NAMES[r["label"]]) for r in augmenter.augment(dataset())}


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batch_size_changes_nothing(augmenter: AdversarialAugmenter, batch_size: int) -> None:
    assert augmenter.augment(dataset(), batch_size=batch_size).to_list() == augmenter.augment(dataset()).to_list()


@pytest.mark.slow
def test_workers_change_nothing(augmenter: AdversarialAugmenter) -> None:
    assert augmenter.augment(dataset(), num_proc=2).to_list() == augmenter.augment(dataset()).to_list()


def test_stream_gets_the_same_rows_and_keeps_its_features(augmenter: AdversarialAugmenter) -> None:
    out = augmenter.augment(dataset(ORDER).to_iterable_dataset(num_shards=2), batch_size=2)
    assert isinstance(out, IterableDataset)
    expected = augmenter.augment(dataset(ORDER))
    assert out.features == expected.features
    assert list(out) == expected.to_list()
    unnamed = IterableDataset.from_generator(lambda: iter(dataset().to_list()))
    assert list(augmenter.augment(unnamed)) == augmenter.augment(dataset()).to_list()


def test_stream_is_not_read_ahead(augmenter: AdversarialAugmenter) -> None:
    read = []

    def rows() -> Iterator[dict[str, Any]]:
        for row in dataset().to_list() * 50:
            read.append(row)
            yield row

    stream = augmenter.augment(IterableDataset.from_generator(rows), batch_size=3)
    for number, _ in enumerate(stream):
        if number == 20:
            break
    assert len(read) <= 30


def test_second_map_comes_from_the_cache_unless_something_differs(cache: Path) -> None:
    path = cache / "pairs.jsonl"
    dataset().to_json(path)

    def counted(**options: Any) -> int:
        """Return the pairs that were worked on; zero where the cache had them."""
        epoch = options.pop("epoch", 0)
        augmenter = AdversarialAugmenter(AugmentationConfig(num_candidates=10, filter_model="none", **options))
        augmenter.set_epoch(epoch)
        rows = Dataset.from_json(str(path), cache_dir=str(cache / "json"))
        rows.map(augmenter, batched=True)
        return augmenter.counts["pairs"]

    assert [counted(), counted()] == [len(PAIRS), 0]
    assert [counted(seed=1), counted(epoch=1), counted(share=0.5)] == [len(PAIRS)] * 3


def test_fingerprint_is_of_config_models_and_epoch_not_of_what_was_loaded(tmp_path: Path) -> None:
    build_tiny_adversary().save_pretrained(tmp_path / "adversary")
    config = AugmentationConfig(model=str(tmp_path / "adversary"))
    first, second = AdversarialAugmenter(config), AdversarialAugmenter(config)
    before = Hasher.hash(first)
    second.new_rows(["A man sits."], ["A man sits."], ["entailment"])
    assert Hasher.hash(second) == before
    second.set_epoch(1)
    assert Hasher.hash(second) != before
    card = tmp_path / "adversary" / "config.json"
    card.write_text(card.read_text() + "\n")
    assert Hasher.hash(AdversarialAugmenter(config)) != before


def test_transform_replaces_rows_and_differs_from_epoch_to_epoch() -> None:
    augmenter = AdversarialAugmenter(CONFIG, target=HashTarget())
    rows = dataset()
    rows.set_transform(augmenter.transform)

    def epoch(number: int) -> list[dict[str, Any]]:
        augmenter.set_epoch(number)
        return [rows[i] for i in range(len(rows))]

    first, second = epoch(0), epoch(1)
    assert [row["number"] for row in first] == list(range(len(PAIRS)))
    assert first != second
    assert first == epoch(0)
    assert rows[1:4]["hypothesis"] == [row["hypothesis"] for row in first[1:4]]
    known = {row["hypothesis"] for row in augmenter.augment(dataset())}
    assert all(row["hypothesis"] in known and row["origin"] != ORIGINAL for row in first)


def test_epochs_have_rows_of_their_own() -> None:
    augmenter = AdversarialAugmenter(AugmentationConfig(filter_model="none", num_candidates=30))
    columns = [list(column) for column in zip(*PAIRS, strict=True)]
    labels = [LABEL_NAMES[label] for label in columns[2]]
    found = []
    for epoch in (0, 1, 0):
        augmenter.set_epoch(epoch)
        found.append(augmenter.new_rows(columns[0], columns[1], labels))
    assert found[0] == found[2] != found[1]


def test_data_loader_workers_hear_of_the_epoch() -> None:
    augmenter = AdversarialAugmenter(CONFIG, target=HashTarget())
    rows = dataset()
    rows.set_transform(augmenter.transform)
    loader: Any = torch.utils.data.DataLoader(
        rows,
        batch_size=3,
        num_workers=1,
        persistent_workers=True,
        collate_fn=list,
        multiprocessing_context="fork",
    )
    seen = []
    for number in (0, 1, 0):
        augmenter.set_epoch(number)
        seen.append([row["hypothesis"] for batch in loader for row in batch])
    assert seen[0] == seen[2] != seen[1]
    assert seen[0] == [rows[i]["hypothesis"] for i in range(len(rows))]


def test_share_of_the_pairs_is_drawn_by_their_seeds() -> None:
    pairs = [(f"A man number {i} sits.", "A man sits.", "entailment") for i in range(400)]
    columns = [list(column) for column in zip(*pairs, strict=True)]
    augmenter = AdversarialAugmenter(AugmentationConfig(share=0.1, filter_model="none", num_candidates=1, num_codes=1))
    rows = augmenter.new_rows(*columns)
    assert 20 <= sum(map(bool, rows)) <= 60
    assert augmenter.counts["perturbed"] + augmenter.counts["not drawn"] == 400
    more = AdversarialAugmenter(AugmentationConfig(share=0.2, filter_model="none", num_candidates=1, num_codes=1))
    assert all(b for a, b in zip(rows, more.new_rows(*columns), strict=True) if a)


@pytest.mark.parametrize("bad", [None, "", " ", "word " * 5000])
def test_bad_rows_stay_alone(augmenter: AdversarialAugmenter, bad: str | None) -> None:
    batch: dict[str, list[Any]] = {
        "premise": ["Two dogs run across a beach."] * 2,
        "hypothesis": [bad, "The dogs are running."],
    }
    out = augmenter({**batch, "label": [0, 0]})
    assert out["hypothesis"].count(bad) == 1
    assert Counter(out["original_hypothesis"])["The dogs are running."] > 1
    for label in (-1, 7, None, "-", True):
        assert len(augmenter({**batch, "label": [label, label]})["label"]) == 2


class RaisesOn(HashTarget):
    def __init__(self, premise: str, error: Exception) -> None:
        super().__init__()
        self.premise, self.error = premise, error

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        if self.premise in premises:
            raise self.error
        return super().predict(premises, hypotheses)


def test_one_bad_row_never_costs_the_others_theirs(augmenter: AdversarialAugmenter) -> None:
    bad = AdversarialAugmenter(CONFIG, target=RaisesOn(PAIRS[2][0], RuntimeError("bad row")))
    columns = [list(column) for column in zip(*PAIRS, strict=True)]
    labels = [LABEL_NAMES[label] for label in columns[2]]
    expected = augmenter.new_rows(columns[0], columns[1], labels)
    assert bad.new_rows(columns[0], columns[1], labels) == [*expected[:2], [], *expected[3:]]
    assert bad.counts["errors"] == 1
    gone = AdversarialAugmenter(CONFIG, target=RaisesOn(PAIRS[2][0], TargetError("gone")))
    with pytest.raises(TargetError, match="gone"):
        gone.new_rows(columns[0], columns[1], labels)


def test_label_is_kept_only_with_the_filters_consent() -> None:
    asked = [(*PAIRS[i][:2], LABEL_NAMES[PAIRS[i][2]]) for i in range(len(PAIRS))]
    columns = [list(column) for column in zip(*asked, strict=True)]
    options: dict[str, Any] = {"num_candidates": 30, "rows_per_source": 4, "boundary_width": 9.0}
    consented = AdversarialAugmenter(AugmentationConfig(min_margin=0.0, **options), target=HashTarget())
    rows = consented.new_rows(*columns)
    assert consented.counts["consent"] > 0
    bundled = load_target("bundled")
    for (premise, _, label), own in zip(asked, rows, strict=True):
        for row in own:
            prediction = int(bundled.predict([premise], [row.hypothesis]).argmax())
            assert agree(label, LABEL_NAMES[prediction])


def test_lexicon_brings_words_that_the_adversary_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    class CallsAllNouns:
        def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
            return [["NN"] * len(words) for words in sentences]

    monkeypatch.setattr(augmentation_config, "load_tagger", CallsAllNouns)
    columns = [list(column) for column in zip(*PAIRS, strict=True)]
    labels = [LABEL_NAMES[label] for label in columns[2]]
    options: dict[str, Any] = {"filter_model": "none", "num_candidates": 40, "min_similarity": None}
    known = set(load_adversary("bundled").vocabulary.words)

    def unknown(**lexicons: Any) -> list[str]:
        rows = AdversarialAugmenter(AugmentationConfig(**options, **lexicons)).new_rows(columns[0], columns[1], labels)
        return [word for own in rows for row in own for word in tokenize(row.hypothesis).words if word not in known]

    assert not unknown()
    assert unknown(lexicons=["misspellings"])


def test_another_target_takes_over_the_models(augmenter: AdversarialAugmenter) -> None:
    columns = [list(column) for column in zip(*PAIRS, strict=True)]
    labels = [LABEL_NAMES[label] for label in columns[2]]
    augmenter.new_rows(columns[0], columns[1], labels)
    target = HashTarget()
    other = augmenter.with_target(target)
    assert other._parts is augmenter._parts
    assert other.new_rows(columns[0], columns[1], labels) == augmenter.new_rows(columns[0], columns[1], labels)
    assert target.rows > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": ("adversarial",)}, "expected a target for the sources adversarial, got none"),
        ({"target": "bundled"}, "expected a filter model beside the bundled target"),
        ({"target": "bundled", "filter_model": "bundled"}, "expected a filter model that is not the target"),
        ({"share": 0.0}, "expected share above 0"),
        ({"lexicons": ("thesaurus",)}, "expected different lexicons among wordnet, misspellings, got"),
        ({"num_tries": 0}, "expected num_tries >= 1"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        AdversarialAugmenter(AugmentationConfig(**options))


def test_data_without_a_column_and_several_splits_are_refused(augmenter: AdversarialAugmenter) -> None:
    with pytest.raises(ValueError, match=r"^expected a column of hypothesis among those of the data, got premise"):
        augmenter({"premise": ["x"], "label": [0]})
    with pytest.raises(ValueError, match=r"^expected a Dataset or an IterableDataset, one split, got DatasetDict"):
        augmenter.augment(datasets.DatasetDict(train=dataset()))


def test_written_rows_are_read_back_with_their_labels(augmenter: AdversarialAugmenter, tmp_path: Path) -> None:
    out = augmenter.augment(dataset(ORDER))
    out.save_to_disk(tmp_path / "rows")
    back = load_nli(str(tmp_path / "rows"), split="train")
    assert [GOLD_NAMES[label] for label in back.labels] == [ORDER[label] for label in out["label"]]
