"""Chunks with their new rows, and the lines that keep them."""

from pathlib import Path

import pytest

from tests.evaluation.augmentation_fakes import KnownMaker
from textsem.attacks.new_rows import NewRow
from textsem.data.pairs import PairChunk
from textsem.evaluation.augmentation_chunks import AugmentedChunk, AugmentedPair, augment_chunk, chunk_line, read_chunks

CHUNK = PairChunk(
    64,
    ("one", "two", "three"),
    ("text é 0 2", "", "text\n2 1"),
    ("entailment", "neutral", "contradiction"),
    {1: "no text"},
)


def test_pairs_with_a_problem_are_left_out_and_counts_are_of_this_chunk_alone() -> None:
    maker = KnownMaker()
    maker.counts.update({"pairs": 5, "fluency": 50})
    done = augment_chunk(maker, CHUNK)
    assert done.start == 64
    assert done.num_problems == 1
    assert [(pair.index, pair.premise, len(pair.new)) for pair in done.pairs] == [(64, "one", 2), (66, "three", 1)]
    assert (done.counts["pairs"], done.counts["fluency"], done.counts["kept adversarial"]) == (2, 6, 2)


def test_chunk_of_problems_asks_nobody() -> None:
    chunk = PairChunk(0, ("one",), ("",), ("perhaps",), {0: "no text"})
    assert augment_chunk(KnownMaker(), chunk) == AugmentedChunk(0, (), 1, {})


def test_lines_come_back(tmp_path: Path) -> None:
    chunks = [augment_chunk(KnownMaker(), CHUNK), AugmentedChunk(67, (), 2, {"pairs": 0}, 1.25)]
    (tmp_path / "chunks.jsonl").write_bytes(b"".join(map(chunk_line, chunks)))
    assert list(read_chunks(tmp_path / "chunks.jsonl")) == chunks
    assert list(read_chunks(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b'{"start": 0, "pairs": [["torn\n', b'{"pairs": [[1, "a"]]}\n'])
def test_damaged_line_is_told_by_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "chunks.jsonl"
    path.write_bytes(chunk_line(augment_chunk(KnownMaker(), CHUNK)) + line)
    with pytest.raises(ValueError, match=r"expected a whole chunk in line 2 of .*chunks\.jsonl"):
        list(read_chunks(path))


def test_rows_of_a_pair_begin_with_its_own() -> None:
    pair = AugmentedPair(7, "p", "h", "neutral", (NewRow("g", "boundary"),))
    own, new = pair.rows()
    assert own == {
        **{"premise": "p", "hypothesis": "h", "label": "neutral", "origin": "original"},
        **{"original_hypothesis": "h", "index": 7},
    }
    assert new == {**own, "hypothesis": "g", "origin": "boundary"}
    assert list(pair.rows(new_only=True)) == [new]
