"""The demo pairs are balanced, and no two of them come from one template."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import pytest

from textsem.data.demo import demo_kinds, read_demo
from textsem.data.nli import nli_from_table

# Words that make the frame of a sentence, each with what it counts as: "his" and "the" fill the same place.
_FRAME_WORDS = {
    "the": "a an the this that these those his her its their my your our some any each every no",
    "they": "he she it they him them i you we us",
    "is": "am is are was were",
    "has": "has have had",
    "does": "do does did",
}
_OTHER_FRAME_WORDS = """
    all both neither either none no not another other others one of in on at by to from with without for into onto over
    under up down out off above behind beneath underneath across between through past near around about after before
    during since while as when because if than but and or nor so be been being having doing can cannot will would must
    may might should could theirs who whose whom which what where there himself herself itself themselves upon inside
    outside along against toward among despite ahead away back just only also too very still most more less least such
    own same
"""
FRAME_WORDS = {word: word for word in _OTHER_FRAME_WORDS.split()} | {
    word: place for place, listed in _FRAME_WORDS.items() for word in listed.split()
}
MAX_WORDS = 14
SHARED_HYPOTHESIS_WORDS = 3  # two hypotheses may share three words in a row ("there is a"), never four
SHARED_PREMISE_WORDS = 5  # "at the end of the"

DEMO = read_demo()
DATA = nli_from_table(DEMO)


def words(sentence: str) -> list[str]:
    return re.findall(r"[a-z0-9'-]+", sentence.lower())


def frame(sentence: str) -> tuple[str, ...]:
    """What is left of a sentence when each run of content words becomes one gap."""
    masked = (FRAME_WORDS.get(word, "_") for word in words(sentence))
    return tuple(word for word, _ in groupby(masked))


def shared_frames(sentences: Sequence[str]) -> list[tuple[str, ...]]:
    return [form for form, count in Counter(map(frame, sentences)).items() if count > 1]


def shared_runs(sentences: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Runs of ``size`` words that occur in more than one sentence."""
    runs: Counter[tuple[str, ...]] = Counter()
    for sentence in sentences:
        row = words(sentence)
        runs.update({tuple(row[i : i + size]) for i in range(len(row) - size + 1)})
    return [run for run, count in runs.items() if count > 1]


def test_every_label_of_every_kind_has_equally_many_pairs() -> None:
    cells = Counter(zip(demo_kinds(), DATA.labels, strict=True))
    kinds = set(demo_kinds())
    assert len(DATA) >= 216
    assert len(kinds) >= 9
    assert len(cells) == 3 * len(kinds)
    assert len(set(cells.values())) == 1


def test_labels_are_written_in_full_and_no_row_is_bad() -> None:
    assert set(DEMO.columns["label"]) == {"entailment", "neutral", "contradiction"}
    assert (DATA.dropped_unlabelled, dict(DATA.problems)) == (0, {})


def test_prefixes_are_nearly_balanced() -> None:
    for size in (12, 36, 60, 108):
        counts = Counter(DATA.labels[:size])
        assert max(counts.values()) - min(counts.values()) <= 1
        assert len(set(demo_kinds()[:12])) == 12


def test_no_sentence_occurs_twice() -> None:
    sentences = [" ".join(words(text)) for text in (*DATA.premises, *DATA.hypotheses)]
    assert len(set(sentences)) == 2 * len(DATA)


def test_hypotheses_are_short_and_clean() -> None:
    for text in DATA.hypotheses:
        assert 3 <= len(words(text)) <= MAX_WORDS
    for text in (*DATA.premises, *DATA.hypotheses):
        assert re.fullmatch(r"[A-Z][A-Za-z' ,-]*\.", text), text
        assert "  " not in text


def test_no_two_hypotheses_share_a_frame() -> None:
    assert shared_frames(DATA.hypotheses) == []


def test_no_two_hypotheses_share_four_words_in_a_row() -> None:
    assert shared_runs(DATA.hypotheses, SHARED_HYPOTHESIS_WORDS + 1) == []


def test_no_two_premises_share_an_opening_or_six_words_in_a_row() -> None:
    assert len({tuple(words(text)[:3]) for text in DATA.premises}) == len(DATA)
    assert shared_runs(DATA.premises, SHARED_PREMISE_WORDS + 1) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The man is holding a red umbrella.", "The woman is carrying a small child."),
        ("Two dogs run on the beach.", "Three young children play on the grass."),
        ("A girl rides her new bike to school.", "The man drives his old truck to work."),
        ("She is about to kick the ball.", "They are about to throw a stick."),
        ("There is a big dog in the garden.", "There is a big cat because it rains."),
    ],
)
def test_template_would_be_found(one: str, other: str) -> None:
    assert shared_frames([one, other]) or shared_runs([one, other], SHARED_HYPOTHESIS_WORDS + 1)


def test_different_sentences_are_not_called_a_template() -> None:
    pair = ["The man is holding a red umbrella.", "Nobody in the street stays dry under it."]
    assert shared_frames(pair) == []
    assert shared_runs(pair, 2) == []
