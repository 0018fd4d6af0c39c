"""Words with their surfaces: identity to the letter, alignment, case, spacing."""

import string
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.text.tokenization import first_words, is_punctuation, render, tokenize, word_edits

WORDS = ["a", "man", "dog", "isn't", "t", "-", ".", ",", "'", "(", ")", "runs", "3", "_"]
sentences = st.lists(st.sampled_from(WORDS), max_size=7)
written = st.text(alphabet=[*string.ascii_letters, *" .,'\u2019-()\"é漢🙂\n"], max_size=30)


def rendered(old: str, new: str) -> str:
    return render(tokenize(old), tokenize(new).words)


@given(st.text())
def test_unchanged_words_give_the_text_to_the_letter(text: str) -> None:
    original = tokenize(text)
    assert render(original, original.words) == text
    assert render(original, list(original.words)) == text


@given(st.text())
def test_tokens_and_gaps_make_up_the_text(text: str) -> None:
    original = tokenize(text)
    pieces = [gap + surface for gap, surface in zip(original.gaps, original.surfaces, strict=True)]
    assert text.startswith("".join(pieces))
    assert not text[len("".join(pieces)) :].strip()
    assert not "".join(original.gaps).strip()


@given(st.text(), st.integers(0, 40))
def test_first_words_are_those_of_the_whole_text(text: str, count: int) -> None:
    assert first_words(text, count) == tokenize(text).words[:count]


@given(written, sentences)
def test_new_sentence_is_read_as_the_words_that_were_written(text: str, words: list[str]) -> None:
    original = tokenize(text)
    # As the tokenizer reads them: what it never gives cannot be asked for.
    new = list(tokenize(" ".join(words)).words)
    assert list(tokenize(render(original, new)).words) == new


@given(sentences, sentences)
def test_words_kept_on_both_sides_keep_their_surface(before: list[str], after: list[str]) -> None:
    text = " ".join(["StaY", *before, "hErE", *after, "ENd"])
    original = tokenize(text)
    place = original.words.index("here")
    changed = render(original, [*original.words[:place], "cat", *original.words[place + 1 :]])
    assert changed == text.replace("hErE", "cat")


def test_tokens_are_lower_cased_words_and_single_marks() -> None:
    assert tokenize("Isn\u2019t the T-shirt 'red'?!").words == (
        *("isn't", "the", "t", "-", "shirt", "'", "red", "'", "?", "!"),
    )
    assert tokenize("").words == tokenize(" \n").words == ()
    assert tokenize("東京 🙂👍 ¡Árbol!").words == ("東京", "🙂", "👍", "¡", "árbol", "!")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A man sleeps.", "a woman sleeps.", "A woman sleeps."),
        ("A man sleeps.", "the man sleeps.", "The man sleeps."),
        ("He saw New York.", "he saw new city.", "He saw New City."),
        ("a man sleeps", "the man sleeps", "the man sleeps"),
        ("Then I sleep", "then he sleep", "Then he sleep"),
        ("I sleep", "he sleep", "He sleep"),
        ("A man has a TV set", "a man has a dog set", "A man has a dog set"),
        ("A MAN SLEEPS", "a dog sleeps", "A DOG SLEEPS"),
        ("A man sleeps", "ß man sleeps", "ß man sleeps"),
        ("A man doesn\u2019t run", "a dog doesn't run", "A dog doesn\u2019t run"),
        ("3 men run", "4 men run", "4 men run"),
    ],
)
def test_replaced_word_takes_over_the_capital_of_its_place(old: str, new: str, expected: str) -> None:
    assert rendered(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A man sleeps.", "man sleeps.", "Man sleeps."),
        ("A man sleeps.", "the young man sleeps.", "The young man sleeps."),
        ("The man sleeps.", "today the man sleeps.", "Today The man sleeps."),
        ("A man sleeps.", "a man.", "A man."),
        ("A man sleeps.", "a man sleeps", "A man sleeps"),
        ("A man sleeps", "a man sleeps outside.", "A man sleeps outside."),
        ("A man sleeps \n", "a man sleeps.", "A man sleeps. \n"),
        ("  A man", "  man", "  Man"),
        ("A man", "", ""),
        ("  ", "a man", "a man  "),
        ("one twO thrEE FouR five", "one three four six", "one thrEE FouR six"),
        ("one twO thrEE FouR five", "zero two and three four", "zero twO and thrEE FouR"),
        ("A  man   sleeps", "a   sleeps", "A   sleeps"),
    ],
)
def test_words_come_and_go_at_start_and_end(old: str, new: str, expected: str) -> None:
    assert rendered(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A man, who runs", "a man who runs", "A man who runs"),
        ("A man who runs", "a man, who runs", "A man, who runs"),
        ("A big man runs", "a, man runs", "A, man runs"),
        ("A man, who runs", "a man and who runs", "A man and who runs"),
        ("A man in red", "a (man) in red", "A (man) in red"),
        ("A man in red", "a man in t-shirt", "A man in t-shirt"),
        ("A t-shirt", "a t shirt", "A t shirt"),
        ("Dogs' tails", "cats' tails", "Cats' tails"),
        ("x,y", "x y", "x y"),
    ],
)
def test_punctuation_is_spaced_as_in_print(old: str, new: str, expected: str) -> None:
    assert rendered(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A man 🙂 runs", "a dog 🙂 runs", "A dog 🙂 runs"),
        ("東京 は 大きい。", "京都 は 大きい。", "京都 は 大きい。"),
        ("Москва спит.", "город спит.", "Город спит."),
        ("رجل ينام", "كلب ينام", "كلب ينام"),
    ],
)
def test_other_scripts_and_emoji_stay(old: str, new: str, expected: str) -> None:
    assert rendered(old, new) == expected


def test_punctuation_has_neither_letter_nor_digit() -> None:
    assert [w for w in ["a", "isn't", "3", ".", "_", "'", "🙂", "é", ""] if is_punctuation(w)] == [
        *(".", "_", "'", "🙂", ""),
    ]


def naive_edits(old: tuple[str, ...], new: tuple[str, ...]) -> int:
    @cache
    def edits(i: int, j: int) -> int:
        if i == len(old) or j == len(new):
            return len(old) - i + len(new) - j
        replaced = edits(i + 1, j + 1) + (old[i] != new[j])
        return min(replaced, edits(i + 1, j) + 1, edits(i, j + 1) + 1)

    return edits(0, 0)


@given(sentences, sentences)
def test_word_edits_are_the_levenshtein_distance_of_the_words(old: list[str], new: list[str]) -> None:
    plain = [tuple(w for w in words if any(c.isalnum() for c in w)) for words in (old, new)]
    assert word_edits(old, new) == naive_edits(*plain) == word_edits(tuple(new), tuple(old))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("a b c", "a b c", 0), ("a b c", "b c a", 2), ("a . b", "a b", 0), ("a b", "", 2), ("", "", 0), ("a b", "b a", 2)],
)
def test_word_edits_of_short_sentences(old: str, new: str, expected: int) -> None:
    assert word_edits(old.split(), new.split()) == expected
