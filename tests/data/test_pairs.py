import json
import subprocess
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.data.pairs import Pair, PairChunk, PairDigest, PairReader
from textsem.data.table import Row, RowStream, Table
from textsem.text.labels import GOLD_NAMES

ENTAILMENT, NEUTRAL, CONTRADICTION, NOT_ENTAILMENT = GOLD_NAMES


def read(
    labels: Sequence[object],
    *,
    names: tuple[str, ...] = (),
    order: Sequence[str] | None = None,
    premise: object = "A.",
    hypothesis: object = "B.",
) -> list[Pair | None]:
    columns = {"premise": [premise] * len(labels), "hypothesis": [hypothesis] * len(labels), "label": labels}
    table = Table("here", "test", columns, tuple(columns), {"label": names} if names else {})
    return list(PairReader(table, label_order=order))


def labels_of(pairs: Sequence[Pair | None]) -> list[str | None]:
    assert [pair.problem for pair in pairs if pair] == [None] * sum(pair is not None for pair in pairs)
    return [None if pair is None else pair.label for pair in pairs]


@pytest.mark.parametrize("label", ["not_entailment", "Not Entailment", " non-entailment ", "not entailed"])
def test_not_entailment_is_a_gold_label_in_many_spellings(label: str) -> None:
    assert labels_of(read([label, "entailment", "n"])) == [NOT_ENTAILMENT, ENTAILMENT, NEUTRAL]


def test_class_names_of_two_class_data_are_read() -> None:
    for names in (("entailment", "not_entailment"), ("not_entailment", "entailment")):
        want = [GOLD_NAMES[0 if name == "entailment" else 3] for name in names]
        assert labels_of(read([0, 1, -1, None], names=names)) == [*want, None, None]


def test_label_order_says_what_numbers_of_two_classes_mean() -> None:
    order = ["not_entailment", "entailment"]
    assert labels_of(read([0, "1", 1.0], order=order)) == [NOT_ENTAILMENT, ENTAILMENT, ENTAILMENT]
    assert labels_of(read([0, 1], names=("0", "1"), order=order)) == [NOT_ENTAILMENT, ENTAILMENT]
    (pair,) = read([2], order=order)
    assert pair is not None
    assert "c), 0, 1, or for no label" in str(pair.problem)


def test_class_names_that_are_no_nli_are_an_error_that_names_the_data() -> None:
    with pytest.raises(ValueError, match=r"got \[good, bad\]; in column 'label' of 'here'"):
        read([0], names=("good", "bad"))
    with pytest.raises(ValueError, match="label_order"):
        read([0], names=("LABEL_0", "LABEL_1"))


@pytest.mark.parametrize("raw", [None, "", " ", "-", "-1", "-1.0", -1, -1.0, float("nan"), Decimal("-1")])
def test_row_without_label_is_no_pair(raw: object) -> None:
    assert read([raw]) == [None]


@pytest.mark.parametrize("raw", [1, "1", 1.0, "1.0", "1.00", Decimal("1"), Decimal("1.0"), " N "])
def test_number_in_any_writing_is_its_label(raw: object) -> None:
    assert labels_of(read([raw])) == [NEUTRAL]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("maybe", "maybe"),
        ("  Yes ", "Yes"),
        (3, "3"),
        (True, "True"),
        (float("inf"), "inf"),
        ("9" * 10_000, "9" * 50),
        (["neutral"], "['neutral']"),
        ("y\ud800", "y\\ud800"),
        ("é" * 100, "é" * 50),
        ("\ud800" * 100, ("\\ud800" * 9)[:50]),
    ],
)
def test_unknown_label_is_a_problem_and_its_text_is_kept(raw: object, text: str) -> None:
    (pair,) = read([raw])
    assert pair is not None
    assert pair[:3] == ("A.", "B.", text)
    assert "in column 'label', row 1 of 'here', got " in str(pair.problem)
    assert str(pair.problem).endswith(": rename or remove this label in the data")
    assert len(str(pair.problem)) < 350


def test_number_that_python_does_not_write_is_an_unknown_label() -> None:
    (pair,) = read([10**5_000])
    assert pair is not None
    assert pair.label == "int too long to show"


@pytest.mark.parametrize(
    ("value", "kept", "got"),
    [
        (None, "", "None: write it there or leave the row out"),
        ("", "", "'': write"),
        (" \n\u3000", " \n\u3000", "' .*': write"),
        (7, "", "7: write"),
        (["text"], "", r"\['text'\]: write"),
        (b"caf\xe9", "", r"b'caf\\xe9': write"),
        (float("nan"), "", "nan: write"),
        ("ab\ud83d", "ab\\ud83d", r"the lone surrogate U\+D83D as character 3, which UTF-8 cannot write: replace it"),
    ],
)
@pytest.mark.parametrize("role", ["premise", "hypothesis"])
def test_what_is_no_sentence_is_a_problem(role: str, value: object, kept: str, got: str) -> None:
    (pair,) = read(["e"], **{role: value})  # type: ignore[arg-type]
    assert pair is not None
    assert (getattr(pair, role), pair.label) == (kept, ENTAILMENT)
    with pytest.raises(ValueError, match=rf"^expected text as {role} in row 1 of 'here', got {got}"):
        raise ValueError(pair.problem)


@pytest.mark.parametrize(
    "text",
    [
        "word " * 10_000,
        "x" * 10_000_000,
        "\0",
        "a\x07b\x1b[0m",
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        "שלום עולם",
        "\u202eright to left",
        "\u2028",
        "\ufeffmark",
        "\U0010ffff",
    ],
    ids=["words", "megabytes", "nul", "control", "emoji", "hebrew", "override", "separator", "mark", "last"],
)
def test_strange_text_is_text(text: str) -> None:
    # U+2028 alone is blank, as any white space is.
    (pair,) = read(["e"], premise=f"{text}.", hypothesis=f".{text}")
    assert pair == (f"{text}.", f".{text}", ENTAILMENT, None)


def test_all_troubles_of_a_row_are_told() -> None:
    (pair,) = read(["maybe"], premise=None, hypothesis="\udfff")
    assert pair is not None
    for part in ("got 'maybe'", "as premise in row 1", "as hypothesis in row 1", "U+DFFF"):
        assert part in str(pair.problem)


def test_row_that_could_not_be_read_keeps_its_texts_and_has_no_label() -> None:
    found = ("premise", "hypothesis", "label")
    bad = [Row("row 1", dict(zip(found, ("A\udce9", 3, "e"), strict=True)), "no UTF-8"), Row("row 2", {}, "broken")]
    reader = PairReader(RowStream("here", None, found, {}, lambda: iter(bad)))
    assert list(reader) == [("A\\udce9", "", "", "no UTF-8"), ("", "", "", "broken")]


def test_reader_starts_anew_each_time() -> None:
    columns = {"premise": ["A."], "hypothesis": ["B."], "label": ["e"]}
    reader = PairReader(Table("here", None, columns, tuple(columns), {}))
    assert list(reader) == list(reader) == [("A.", "B.", ENTAILMENT, None)]


@given(st.lists(st.tuples(st.text(st.characters()), st.text(), st.sampled_from(GOLD_NAMES))))
def test_digest_is_that_of_json_lines(pairs: list[tuple[str, str, str]]) -> None:
    digest, lines = PairDigest(), []
    for pair in pairs:
        digest.add(*pair)
        lines.append(json.dumps([pair[0], pair[1], GOLD_NAMES.index(pair[2])]) + "\n")
    told = subprocess.run(["sha256sum"], input="".join(lines).encode(), capture_output=True, check=True).stdout
    assert (digest.hexdigest(), digest.rows) == (told.decode().split()[0], len(pairs))


def test_digest_tells_unknown_labels_apart() -> None:
    digests = set()
    for label in ("", "yes", "no", "0", ENTAILMENT):
        digest = PairDigest()
        digest.add("A.\ud800", "B.", label)
        digests.add(digest.hexdigest())
    assert len(digests) == 5


def test_chunk_has_problems_by_position() -> None:
    chunk = PairChunk.of(7, [Pair("a", "b", NEUTRAL), Pair("c", "", "x", "bad"), Pair("d", "e", ENTAILMENT)])
    assert (chunk.start, len(chunk), dict(chunk.problems)) == (7, 3, {1: "bad"})
    assert (chunk.premises, chunk.hypotheses) == (("a", "c", "d"), ("b", "", "e"))
    assert chunk.labels == (NEUTRAL, "x", ENTAILMENT)
