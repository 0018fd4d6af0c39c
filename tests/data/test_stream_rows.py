"""Every row of a file is accounted for, whatever it holds, and clean rows come back as they were."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.data.pairs import PairChunk
from textsem.data.stream import stream_nli
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES

COLUMNS = ("premise", "hypothesis", "label")


def pairs_of(chunks: Iterator[PairChunk]) -> list[tuple[str, str, str, str | None]]:
    return [
        (*pair, chunk.problems.get(i))
        for chunk in chunks
        for i, pair in enumerate(zip(chunk.premises, chunk.hypotheses, chunk.labels, strict=True))
    ]


TEXTS = st.text(min_size=1).filter(str.strip)
CLEAN = st.tuples(TEXTS, TEXTS, st.sampled_from(["entailment", "n", "CONTRADICTION", "0", "not_entailment"]))
NAMES = dict(
    zip(["entailment", "n", "CONTRADICTION", "0", "not_entailment"], (*LABEL_NAMES, *GOLD_NAMES[::3]), strict=True)
)
DROPPED = st.tuples(st.text(), st.text(), st.sampled_from(["", " ", "-", "-1"]))
BAD = st.one_of(
    st.tuples(st.sampled_from(["", " ", "\n\t"]), TEXTS, st.just("n")),
    st.tuples(TEXTS, st.sampled_from(["", "\r", "\u3000"]), st.just("n")),
    st.tuples(TEXTS, TEXTS, st.sampled_from(["maybe", "3", "no label", "nan", "e n"])),
)
KINDS = st.one_of(
    CLEAN.map(lambda row: ("clean", row)), DROPPED.map(lambda row: ("dropped", row)), BAD.map(lambda row: ("bad", row))
)
# Unreadable lines of a format, as bytes.
BROKEN_JSON = st.one_of(
    st.just(b"{"),
    st.just(b'{"premise": \xff}'),
    st.just(b"[]"),
    st.binary(min_size=1).map(lambda raw: b"!" + raw.replace(b"\n", b"")),
)
SURROGATES = st.tuples(st.text(), st.characters(categories=["Cs"]), st.text()).map("".join)


def check_accounts(path: Path, kinds: Sequence[str], rows: Sequence[Sequence[object]], size: int) -> None:
    """Hold what is read of a file against the kinds of its rows: clean, bad or dropped."""
    stream = stream_nli(str(path))
    found = pairs_of(stream.chunks(size))
    kept = [(kind, row) for kind, row in zip(kinds, rows, strict=True) if kind != "dropped"]
    assert len(found) == len(kept) == stream.identity.rows
    assert stream.dropped_unlabelled == list(kinds).count("dropped")
    for (premise, hypothesis, label, problem), (kind, row) in zip(found, kept, strict=True):
        assert (problem is not None) == (kind == "bad")
        "".join((premise, hypothesis, label, problem or "")).encode("utf-8")
        if kind == "clean":
            assert (premise, hypothesis, label) == (row[0], row[1], NAMES[str(row[2])])


@given(
    before=st.lists(KINDS, max_size=8),
    clean=CLEAN,
    after=st.lists(KINDS, max_size=8),
    broken=st.lists(st.tuples(st.integers(0, 17), BROKEN_JSON), max_size=4),
    surrogates=st.lists(st.tuples(SURROGATES, TEXTS, st.just("e")), max_size=2),
    size=st.integers(1, 9),
    is_ascii=st.booleans(),
)
def test_every_row_of_a_jsonl_file_is_accounted_for(
    before: list[tuple[str, tuple[str, str, str]]],
    clean: tuple[str, str, str],
    after: list[tuple[str, tuple[str, str, str]]],
    broken: list[tuple[int, bytes]],
    surrogates: list[tuple[str, str, str]],
    size: int,
    is_ascii: bool,
) -> None:
    sound = [*before, ("clean", clean), *after]
    lines = [
        (kind, row, json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=is_ascii).encode())
        for kind, row in sound
    ]
    lines += [("bad", row, json.dumps(dict(zip(COLUMNS, row, strict=True))).encode()) for row in surrogates]
    for place, raw in broken:
        lines.insert(place, ("bad", ("", "", ""), raw))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(b"\n".join(raw for _, _, raw in lines))
        check_accounts(path, [kind for kind, _, _ in lines], [row for _, row, _ in lines], size)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@given(
    before=st.lists(KINDS, max_size=8),
    clean=CLEAN,
    after=st.lists(KINDS, max_size=8),
    broken=st.lists(st.tuples(st.integers(0, 17), st.sampled_from(["few", "many"])), max_size=4),
    size=st.integers(1, 9),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_every_row_of_a_delimited_file_is_accounted_for(
    suffix: str,
    before: list[tuple[str, tuple[str, str, str]]],
    clean: tuple[str, str, str],
    after: list[tuple[str, tuple[str, str, str]]],
    broken: list[tuple[int, str]],
    size: int,
    quoting: int,
) -> None:
    rows: list[tuple[str, Sequence[str]]] = [*before, ("clean", clean), *after]
    for place, kind in broken:
        rows.insert(place, ("bad", ["x", "y"] if kind == "few" else ["x", "y\n", "e", "z"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        with path.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.writer(sink, delimiter="," if suffix == ".csv" else "\t", quoting=quoting)  # type: ignore[arg-type]
            writer.writerows([COLUMNS, *(row for _, row in rows)])
        check_accounts(path, [kind for kind, _ in rows], [row for _, row in rows], size)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt", "a.parquet"])
@given(content=st.binary(max_size=400), is_headed=st.booleans())
def test_no_content_of_a_file_does_more_than_raise_value_error(name: str, content: bytes, is_headed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        header = {".jsonl": b'{"premise": "A", "hypothesis": "B", "label": "e"}\n', ".parquet": b"PAR1"}
        path.write_bytes(header.get(path.suffix, b"premise,hypothesis,label\nA,B,e\n") * is_headed + content)
        try:
            stream = stream_nli(str(path))
            for premise, hypothesis, label, problem in pairs_of(stream.chunks(3)):
                assert problem or (premise.strip() and hypothesis.strip() and label in GOLD_NAMES)
        except ValueError as error:
            assert name in str(error)  # noqa: PT017


@given(raw=st.binary().filter(lambda raw: b"\n" not in raw), suffix=st.sampled_from([".jsonl", ".csv"]))
def test_a_line_of_any_bytes_leaves_the_others_alone(raw: bytes, suffix: str) -> None:
    rows = [dict(zip(COLUMNS, (f"A {i}", "B, b", "e"), strict=True)) for i in range(4)]
    sink = io.StringIO()
    csv.DictWriter(sink, COLUMNS, lineterminator="\n").writerows(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    head, lines = ("", lines) if suffix == ".jsonl" else ("premise,hypothesis,label\n", sink.getvalue())
    first, rest = lines[: lines.index("\n") + 1], lines[lines.index("\n") + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes((head + first).encode() + raw + b"\n" + rest.encode())
        found = [pair[0] for pair in pairs_of(stream_nli(str(path)).chunks(9)) if pair[3] is None]
    assert [text for text in found if text.startswith("A ")] == [f"A {i}" for i in range(4)]
