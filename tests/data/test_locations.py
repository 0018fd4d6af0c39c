from pathlib import Path

import datasets
import pytest
from datasets.exceptions import DatasetGenerationError

from textsem.data.locations import open_rows
from textsem.data.nli import load_nli


def write(path: Path, hypothesis: str) -> None:
    path.write_text(f"premise,hypothesis,label\nA.,{hypothesis},neutral\n")


def write_jsonl(path: Path, hypothesis: str) -> None:
    path.write_text(f'{{"premise": "A.", "hypothesis": "{hypothesis}", "label": "neutral"}}\n')


@pytest.mark.parametrize(
    "names", [("snli_train", "snli_dev", "snli_test"), ("train", "validation", "test-00000-of-00001")]
)
@pytest.mark.parametrize(("split", "expected"), [("train", "0"), ("dev", "1"), ("validation", "1"), ("test", "2")])
def test_folder_gives_the_file_that_is_named_after_the_split(
    tmp_path: Path, names: tuple[str, ...], split: str, expected: str
) -> None:
    for i, name in enumerate(names):
        write(tmp_path / f"{name}.csv", str(i))
    (tmp_path / "README.md").write_text("the latest test")
    data = load_nli(str(tmp_path), split=split)
    assert data.hypotheses == (expected,)
    assert data.identity.split == split


def test_split_is_a_whole_part_of_the_name(tmp_path: Path) -> None:
    write(tmp_path / "latest.csv", "no")
    with pytest.raises(ValueError, match=r"file with 'test' in its name in .*, got latest\.csv"):
        load_nli(str(tmp_path))


def test_several_data_sets_with_one_split_are_listed(tmp_path: Path) -> None:
    for name in ("anli_test", "snli_test", "snli_dev"):
        write(tmp_path / f"{name}.csv", name)
    with pytest.raises(ValueError, match=r"got 2: anli_test\.csv, snli_test\.csv; name one file"):
        load_nli(str(tmp_path))
    assert load_nli(str(tmp_path), split="snli_test").hypotheses == ("snli_test",)
    assert load_nli(str(tmp_path), split="dev").hypotheses == ("snli_dev",)


def test_one_data_set_in_two_formats_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "snli_1.0_test.csv", "csv")
    write_jsonl(tmp_path / "snli_1.0_test.jsonl", "jsonl")
    assert load_nli(str(tmp_path)).hypotheses == ("jsonl",)


def test_shards_are_joined_in_order_and_must_be_complete(tmp_path: Path) -> None:
    for i in (1, 0):
        write(tmp_path / f"test-{i:05d}-of-00002.csv", str(i))
    assert load_nli(str(tmp_path)).hypotheses == ("0", "1")
    (tmp_path / "test-00001-of-00002.csv").unlink()
    with pytest.raises(ValueError, match=r"expected 2 shards .*, got 1"):
        load_nli(str(tmp_path))


def saved(hypothesis: str) -> datasets.Dataset:
    features = datasets.Features(
        premise=datasets.Value("string"),
        hypothesis=datasets.Value("string"),
        label=datasets.ClassLabel(names=["contradiction", "entailment", "neutral"]),
    )
    rows = {"premise": ["A.", "A."], "hypothesis": [hypothesis, "?"], "label": [0, -1]}
    return datasets.Dataset.from_dict(rows, features=features)


def test_saved_data_set_is_read_with_its_label_names(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": saved("a"), "validation": saved("b")}).save_to_disk(tmp_path / "both")
    data = load_nli(str(tmp_path / "both"), split="dev")
    assert (data.hypotheses, data.labels, data.dropped_unlabelled) == (("b",), (2,), 1)
    with pytest.raises(ValueError, match=r"expected split 'test' in .*, got train, validation"):
        load_nli(str(tmp_path / "both"))
    saved("one").save_to_disk(tmp_path / "one")
    data = load_nli(str(tmp_path / "one"))
    assert (data.hypotheses, data.labels, data.identity.split) == (("one",), (2,), None)


@pytest.mark.parametrize("source", ["missing.jsonl", "a/b/c", "./nowhere"])
def test_missing_path_is_not_taken_for_a_hub_id(source: str) -> None:
    with pytest.raises(ValueError, match="existing file or folder, or a hub id"):
        open_rows(source, "test")


def test_hub_id_is_read_through_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(name: str, *, split: str) -> datasets.Dataset:
        asked.append((name, split))
        return saved("from the hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    data = load_nli("someone/pairs", split="dev")
    assert asked == [("someone/pairs", "validation")]
    assert (data.hypotheses, data.labels) == (("from the hub",), (2,))
    assert (data.identity.source, data.identity.split) == ("someone/pairs", "dev")


def test_hub_id_that_cannot_be_read_says_why() -> None:
    with pytest.raises(ValueError, match="split 'test' of 'someone/pairs', through datasets"):
        load_nli("someone/pairs")


@pytest.mark.parametrize("source", ["~nobody-of-this-name/a.csv", "a\0b", "x" * 5000, "x" * 300 + "/a.csv"])
def test_name_that_no_file_can_have_is_an_error(source: str) -> None:
    with pytest.raises(ValueError, match=r"^expected (an existing file|data that can be read)"):
        open_rows(source, "test")


def test_tilde_stands_for_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a.csv", "at home")
    data = load_nli("~/a.csv")
    assert (data.hypotheses, data.identity.source) == (("at home",), "~/a.csv")


def test_folder_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ValueError, match=r"data that can be read, got .*: Permission denied; check its permissions"):
        open_rows(str(tmp_path), "test")


@pytest.mark.parametrize(
    "error", [RuntimeError("a program"), DatasetGenerationError("rows that do not fit"), FileNotFoundError("nothing")]
)
def test_whatever_ails_a_hub_id_is_said(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load_dataset(name: str, *, split: str) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(ValueError, match=f"split 'test' of 'someone/pairs', .*{error}; a file or a folder"):
        open_rows("someone/pairs", "test")
