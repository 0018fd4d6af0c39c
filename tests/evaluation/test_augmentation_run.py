"""A whole augmentation: the same bytes after a kill and with workers, labels read back, other settings refused."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from datasets import ClassLabel, load_dataset, load_from_disk

from tests.evaluation.augmentation_fakes import LABELS, KnownMaker, expected_rows, known_rows, write_pairs
from textsem.augmentation import AdversarialAugmenter, AugmentationConfig
from textsem.data.nli import load_nli
from textsem.evaluation import augmentation_run
from textsem.evaluation.augmentation_chunks import read_chunks
from textsem.evaluation.augmentation_files import OUTPUT_NAMES
from textsem.evaluation.augmentation_run import CARD_NAME, CHUNKS_NAME, AugmentNliConfig, augment_nli
from textsem.runs.whole_files import LineFile

ROOT = Path(__file__).parents[2]
NUMBER = 100  # four chunks
CHUNK_SIZE = 32


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation_run, "CHUNK_SIZE", CHUNK_SIZE)


@pytest.fixture
def data(tmp_path: Path) -> str:
    return write_pairs(tmp_path / "pairs.jsonl", known_rows(NUMBER))


def augment(data: str, folder: Path, maker: Any = None, **options: Any) -> dict[str, Any]:
    return augment_nli(AugmentNliConfig(data=data, output=str(folder), **options), maker or KnownMaker())


def output(folder: Path, form: str) -> dict[str, bytes]:
    """Return the bytes of a file, or of all files of a folder."""
    path = folder / OUTPUT_NAMES[form]
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("form", ["parquet", "jsonl", "datasets"])
def test_each_pair_is_followed_by_its_new_rows(data: str, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "out"
    summary = augment(data, folder, format=form)
    path = folder / OUTPUT_NAMES[form]
    if form == "jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        table = load_from_disk(str(path)) if form == "datasets" else load_dataset_file(path, tmp_path)
        assert table.features["label"] == ClassLabel(names=list(LABELS))
        rows = [{**row, "label": LABELS[row["label"]]} for row in table]
    names = ["premise", "hypothesis", "label", "origin", "original_hypothesis", "index"]
    assert list(rows[0]) == names
    assert [tuple(row.values()) for row in rows] == expected_rows(known_rows(NUMBER))
    assert summary["num_pairs"] == NUMBER
    assert summary["num_new_rows"] == len(rows) - NUMBER == 150


def load_dataset_file(path: Path, tmp_path: Path) -> Any:
    return load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize("form", ["parquet", "jsonl", "datasets"])
def test_labels_come_back_as_any_script_reads_them(data: str, tmp_path: Path, form: str) -> None:
    augment(data, tmp_path / "out", format=form)
    loaded = load_nli(str(tmp_path / "out" / OUTPUT_NAMES[form]))
    expected = expected_rows(known_rows(NUMBER))
    assert [(*row[:2], LABELS.index(row[2])) for row in expected] == list(
        zip(loaded.premises, loaded.hypotheses, loaded.labels, strict=True)
    )


def test_label_numbers_of_the_data_are_read_in_their_own_order(tmp_path: Path) -> None:
    order = ("contradiction", "entailment", "neutral")
    rows = [{**row, "label": order.index(row["label"])} for row in known_rows(9)]
    numbered = write_pairs(tmp_path / "numbered.jsonl", rows)
    augment(numbered, tmp_path / "out", KnownMaker(data_label_order=order))
    loaded = load_nli(str(tmp_path / "out" / "augmented.parquet"))
    assert [LABELS[label] for label in loaded.labels] == [row[2] for row in expected_rows(known_rows(9))]


def test_new_only_leaves_the_originals_out(data: str, tmp_path: Path) -> None:
    augment(data, tmp_path / "all", format="jsonl")
    augment(data, tmp_path / "new", format="jsonl", new_only=True)
    lines = (tmp_path / "all" / "augmented.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["origin"] != "original"]
    assert (tmp_path / "new" / "augmented.jsonl").read_text() == "".join(kept)


def test_rows_without_label_or_text_are_passed_over_and_counted(tmp_path: Path) -> None:
    rows = known_rows(12)
    rows[2]["label"] = "-"
    rows[5]["hypothesis"] = "   "
    rows[7]["label"] = "perhaps"
    rows[8]["label"] = None
    summary = augment(write_pairs(tmp_path / "pairs.jsonl", rows), tmp_path / "out", format="jsonl")
    sound = [row for i, row in enumerate(rows) if i not in (2, 5, 7, 8)]
    lines = (tmp_path / "out" / "augmented.jsonl").read_text(encoding="utf-8").splitlines()
    written = [tuple(json.loads(line).values()) for line in lines]
    assert [row[:5] for row in written] == [row[:5] for row in expected_rows(sound)]
    # Positions among the labelled pairs: those with a problem keep theirs, the unlabelled have none.
    assert sorted({row[5] for row in written}) == [0, 1, 2, 3, 5, 7, 8, 9]
    assert (summary["num_pairs"], summary["num_problems"]) == (8, 2)
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert settings["data"]["dropped_unlabelled"] == 2
    assert "2 rows without label, 2 pairs that could not be read" in (tmp_path / "out" / CARD_NAME).read_text()


@pytest.mark.parametrize("form", ["parquet", "jsonl", "datasets"])
def test_resumed_run_ends_with_the_same_bytes_and_counts(data: str, tmp_path: Path, form: str) -> None:
    whole = augment(data, tmp_path / "whole", format=form)
    folder = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        augment(data, folder, KnownMaker(last=70), format=form)
    assert len(list(read_chunks(folder / CHUNKS_NAME))) == 2
    assert not (folder / OUTPUT_NAMES[form]).exists()
    with (folder / CHUNKS_NAME).open("ab") as file:
        file.write(b'{"start": 64, "pairs": [["torn')
    maker = KnownMaker()
    resumed = augment(data, folder, maker, format=form, resume=True)
    assert maker.counts["pairs"] == NUMBER - 64
    assert output(folder, form) == output(tmp_path / "whole", form)
    assert resumed["counts"] == whole["counts"]
    assert resumed["counts"]["pairs"] == NUMBER


def test_chunks_of_another_size_are_not_gone_on_from(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        augment(data, folder, KnownMaker(last=40))
    assert len(list(read_chunks(folder / CHUNKS_NAME))) == 1  # the next one would begin elsewhere
    monkeypatch.setattr(augmentation_run, "CHUNK_SIZE", 2 * CHUNK_SIZE)
    with pytest.raises(ValueError, match=r"expected 64 pairs from 0 on next in .*, got 32 from 0 on: begin the run"):
        augment(data, folder, resume=True)


def test_finished_run_is_rewritten_in_another_format_without_work(data: str, tmp_path: Path) -> None:
    augment(data, tmp_path / "one", format="jsonl")
    augment(data, tmp_path / "two")
    maker = KnownMaker()
    augment(data, tmp_path / "two", maker, format="jsonl", resume=True, num_workers=2)
    assert not maker.counts
    assert output(tmp_path / "two", "jsonl") == output(tmp_path / "one", "jsonl")
    assert not (tmp_path / "two" / "augmented.parquet").exists()


def test_workers_write_the_same_bytes(data: str, tmp_path: Path) -> None:
    alone = augment(data, tmp_path / "alone")
    together = augment(data, tmp_path / "together", num_workers=2)
    assert output(tmp_path / "together", "parquet") == output(tmp_path / "alone", "parquet")
    assert together["counts"] == alone["counts"]


@pytest.mark.slow
def test_real_augmenter_gives_workers_and_resumed_runs_the_same_rows(tmp_path: Path) -> None:
    texts = ["A man is playing music outside.", "The dogs are running.", "A woman is sleeping at home."]
    rows = [{"premise": f"{text} {i}", "hypothesis": text, "label": "neutral"} for i in range(14) for text in texts]
    data = write_pairs(tmp_path / "pairs.jsonl", rows)
    maker = AdversarialAugmenter(AugmentationConfig(filter_model="none", num_candidates=20))
    summary = augment(data, tmp_path / "alone", maker)
    augment(data, tmp_path / "together", maker, num_workers=2)
    assert summary["num_new_rows"] > 20
    assert output(tmp_path / "together", "parquet") == output(tmp_path / "alone", "parquet")


@pytest.mark.slow
def test_killed_run_leaves_no_workers_and_goes_on_to_the_same_bytes(data: str, tmp_path: Path) -> None:
    folder, program = tmp_path / "killed", tmp_path / "program.py"
    program.write_text(
        "from tests.evaluation.augmentation_fakes import KnownMaker\n"
        "from textsem.evaluation import augmentation_run\n"
        "from textsem.evaluation.augmentation_run import AugmentNliConfig, augment_nli\n"
        "if __name__ == '__main__':\n"
        f"    augmentation_run.CHUNK_SIZE = {CHUNK_SIZE}\n"
        f"    config = AugmentNliConfig(data={data!r}, output={str(folder)!r}, num_workers=2)\n"
        "    augment_nli(config, KnownMaker(seconds=0.1))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(program)], env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True
    )
    path = folder / CHUNKS_NAME
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    num_kept = len(list(read_chunks(path)))
    assert 0 < num_kept < 4
    while group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not group_lives(process.pid)
    augment(data, folder, resume=True)
    augment(data, tmp_path / "whole")
    assert output(folder, "parquet") == output(tmp_path / "whole", "parquet")


def group_lives(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "expected seed 0 as in the run to be resumed, got 1"),
        ({"min_margin": 0.1}, "expected min_margin 0.5 as in the run to be resumed, got 0.1"),
        ({"sources": ("neighbours",)}, r"expected sources None as in the run to be resumed, got \['neighbours'\]"),
    ],
)
def test_other_settings_are_refused_on_resume(data: str, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    augment(data, tmp_path / "out")
    before = output(tmp_path / "out", "parquet")
    with pytest.raises(ValueError, match=message):
        augment(data, tmp_path / "out", KnownMaker(**options), resume=True)
    assert output(tmp_path / "out", "parquet") == before


def test_other_models_and_other_data_are_refused_on_resume(data: str, tmp_path: Path) -> None:
    augment(data, tmp_path / "out")
    maker = KnownMaker()
    maker.identity["filter_model"]["sha256"] = "cd" * 32
    with pytest.raises(ValueError, match=r"expected filter_model sha256 'abab.* as in the run to be resumed"):
        augment(data, tmp_path / "out", maker, resume=True)
    with pytest.raises(ValueError, match="expected data rows 100 as in the run to be resumed, got 99"):
        augment(data, tmp_path / "out", resume=True, limit=99)
    write_pairs(Path(data), [{**row, "premise": "other"} for row in known_rows(NUMBER)])
    with pytest.raises(ValueError, match=r"expected data sha256 .* as in the run to be resumed"):
        augment(data, tmp_path / "out", resume=True)


def test_machine_options_may_differ_on_resume(data: str, tmp_path: Path) -> None:
    augment(data, tmp_path / "out")
    augment(data, tmp_path / "out", KnownMaker(batch_size=7), resume=True, machine="another", new_only=True)


def test_new_run_replaces_an_earlier_one(data: str, tmp_path: Path) -> None:
    augment(data, tmp_path / "out", format="datasets")
    augment(data, tmp_path / "out", KnownMaker(seed=1), limit=10)
    assert pyarrow.parquet.read_metadata(tmp_path / "out" / "augmented.parquet").num_rows == 10 + 13
    assert not (tmp_path / "out" / "augmented").exists()


def test_readme_of_something_else_is_never_replaced(data: str, tmp_path: Path) -> None:
    (tmp_path / CARD_NAME).write_text("my project")
    with pytest.raises(ValueError, match=r"expected a folder without a README\.md of something else"):
        augment(data, tmp_path)
    assert (tmp_path / CARD_NAME).read_text() == "my project"


def test_full_disk_keeps_the_chunks_and_names_the_mend(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    append = LineFile.append

    def full(file: LineFile, lines: bytes) -> None:
        if json.loads(lines)["start"] == 64:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(file, lines)

    with monkeypatch.context() as patch:
        patch.setattr(LineFile, "append", full)
        with pytest.raises(OSError, match="No space left"):
            augment(data, folder)
    assert len(list(read_chunks(folder / CHUNKS_NAME))) == 2
    augment(data, folder, resume=True)
    augment(data, tmp_path / "whole")
    assert output(folder, "parquet") == output(tmp_path / "whole", "parquet")


def test_settings_hold_every_option_and_no_query_of_an_address(data: str, tmp_path: Path) -> None:
    maker = KnownMaker(target="http://localhost:1/x?key=secret", filter_model="http://localhost:1/y?key=secret")
    augment(data, tmp_path / "out", maker)
    text = (tmp_path / "out" / "settings.json").read_text()
    settings = json.loads(text)
    assert "secret" not in text + (tmp_path / "out" / CARD_NAME).read_text()
    own = set(AugmentNliConfig.__dataclass_fields__) | set(AugmentationConfig.__dataclass_fields__)
    assert set(settings["options"]) == own
    assert settings["data"]["rows"] == NUMBER
    assert settings["versions"]["textsem"]
    assert settings["models"] == maker.identity


def test_interrupt_ends_the_workers_at_once(data: str, tmp_path: Path) -> None:
    """A KeyboardInterrupt that a worker brings home stands for Ctrl-C in the main process."""
    before = signal.getsignal(signal.SIGINT)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        augment(data, tmp_path / "out", KnownMaker(seconds=10.0, last=0), num_workers=2)
    assert time.monotonic() - began < 160.0  # a chunk of the other worker takes 320 s
    assert signal.getsignal(signal.SIGINT) is before
