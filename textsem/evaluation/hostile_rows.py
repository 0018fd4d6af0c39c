"""Rows that real files hold and nobody expects, beside ordinary ones: what `fuzzing` feeds to the main job.

A row is drawn from a catalogue of kinds by a seeded generator: the same seed gives the same rows.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["KINDS", "LONG_KINDS", "MARKUP", "ORDINARY", "UNLABELLED", "HostileRow", "draw_rows"]

ORDINARY, UNLABELLED = "ordinary", "unlabelled"
MANY_WORDS, MEGABYTE = 10_000, 1_000_000
ROWS_PER_LONG_ROW = 400  # they are slow, and hundreds of megabytes show no more than some

PEOPLE = ("man", "woman", "boy", "girl", "child", "dog", "cyclist", "waiter", "farmer", "musician", "nurse", "tourist")
DEEDS = {
    "plays a guitar": ("makes music", "plays for money", "is asleep"),
    "rides a bike down the hill": ("is moving", "races a friend", "sits in a car"),
    "sleeps on a bench": ("rests", "waits for a bus", "runs a marathon"),
    "cooks soup in a large pot": ("prepares food", "cooks for a wedding", "paints a wall"),
    "jumps over a puddle": ("is outside", "is late for work", "swims in a lake"),
    "reads a newspaper": ("looks at a paper", "reads about football", "is blindfolded"),
    "throws a red ball": ("has a toy", "plays with a brother", "holds nothing at all"),
}
PLACES = ("in the park", "near the old bridge", "at the market", "on a crowded street", "behind the house", "")
LABELS = ("entailment", "neutral", "contradiction")

MARKUP = "<script>alert('textsem')</script>"
TEXTS: Mapping[str, tuple[str, ...]] = {
    "blank": ("", " ", "\t \n", "\u3000", "\u00a0\u2003", "\ufeff", "\u200b\u200d"),
    "emoji": ("👩‍👩‍👧‍👦", "🇺🇳🇫🇷🇯🇵", "👍🏽👍🏿", "🏳️‍🌈", "😀😀😀😀", "❤️‍🔥", "🇺"),
    "control characters": ("\x01\x02\x1b[31mred\x1b[0m", "\x7f\x80\x9f", "\x08\x08\x08", "a\x0bb\x0cc", "\x1c\x1d\x1e"),
    "NUL": ("\x00", "a\x00man", "\x00\x00\x00"),
    "byte order mark": ("a \ufeffman", "\ufeffa man", "\ufffe"),
    "line ends": ("a\r\nman", "a\rman", "a\nman\n\n", "a\u2028man\u2029", "a\x85man", "\v\f"),
    "right to left": (
        "رجل يعزف على الجيتار",
        "איש מנגן בגיטרה",
        "a \u202eman\u202c sleeps",
        "\u2067שלמ\u2069 man 123",
    ),
    "other scripts": (
        "一个男人在弹吉他。",
        "ผู้ชายเล่นกีตาร์",
        "एक आदमी गिटार बजाता है",
        "ギターを弾く男",
        "Мужчина спит",
        "İıẞﬀǅ",
    ),
    "combining marks": (
        "\u0301\u0302\u0303",
        "m\u0336\u0317\u0342a\u0335\u0310n\u0334\u035d",
        "\u20dd" * 50,
        "e\u0301" * 40,
    ),
    "lone surrogates": ("\ud800", "a \udfff man", "\udc80\udc81", "\ud83d man"),
    "non-characters": ("\ufffe\uffff", "\U0001fffe", "\U0010ffff", "\ue000\uf8ff", "\ufffd\ufffd"),
    "markup": (
        MARKUP,
        "<img src=x onerror=alert(1)>",
        "&lt;b&amp;",
        "<svg/onload=alert(2)>",
        "]]>",
    ),
    "injections": (
        "{{7*7}}",
        "{% for x in y %}",
        "${7*7}",
        "'; DROP TABLE pairs; --",
        "$(id)",
        "`id`",
        "=1+1",
        "__import__('os')",
    ),
    "formats and paths": (
        "%s %d %n",
        "{0} {label} {}",
        "../../../etc/passwd",
        "C:\\nul",
        "\\",
        "\\u0041",
        "file:///dev/zero",
    ),
    "special tokens": (
        "[CLS] [SEP] [MASK] [PAD]",
        "<s> </s> <pad> <unk>",
        "<|endoftext|>",
        "<start> <end>",
        "##ing",
        "▁man",
    ),
    "only punctuation": (
        ".",
        "?!?!",
        "...",
        "''",
        "' ' '",
        "-" * 300,
        "\u201c\u201d\u201e\u2018\u2019\u00ab",
        "()[]{}",
    ),
    "digits": ("1234567890", "3.14e-10", "0" * 500, "٣٤٥", "½²³", "1,000,000.00", "-0"),
    "apostrophes": ("isn't'", "'''", "o'o'o'o", "\u2019s", "rock 'n' roll ''", "_'_"),
}
NO_TEXTS: tuple[object, ...] = (
    None,
    0,
    -1,
    2.5,
    True,
    False,
    [],
    ["a man"],
    {},
    {"text": "a man"},
    [[[]]],
    float("nan"),
    10**30,
)
BAD_LABELS: tuple[object, ...] = (
    "yes",
    "entailed",
    "neutral-ish",
    "entailment contradiction",
    "LABEL_1",
    MARKUP,
    "3",
    3,
    99,
    -2,
    0.5,
)
ODD_LABELS: tuple[object, ...] = (
    True,
    False,
    [],
    ["neutral"],
    {"name": "neutral"},
    float("inf"),
    float("-inf"),
    1e308,
    10**300,
    "é" * 999,
)
NO_LABELS: tuple[object, ...] = (None, "", "-", -1, "-1", -1.0, " ", float("nan"))
GOOD_LABELS: tuple[object, ...] = ("ENTAILMENT", " Neutral ", "c", "E", 0, 1, 2, "0", "2", 1.0, "2.0", "non-entailment")
NO_OBJECTS = (b"null", b"3", b'"a man"', b"[]", b'["a man", "a man", 0]', b"true", b"NaN", b"}{", b"{}{}", b"not json")


@dataclass(frozen=True)
class HostileRow:
    """A row of a data file.

    Args:
        kind: Of the catalogue.
        line: As a line of a jsonl file, without its end.
        values: What the line says; None where it says nothing.
    """

    kind: str
    line: bytes
    values: Mapping[str, object] | None


Values = dict[str, object]
Draw = Callable[[random.Random], HostileRow]


def _ordinary(rng: random.Random) -> Values:
    """Return a pair whose words and label fit each other."""
    who, deed, where = rng.choice(PEOPLE), rng.choice(sorted(DEEDS)), rng.choice(PLACES)
    label = rng.randrange(3)
    premise = f"A {who} {deed} {where}".strip() + "."
    subject = rng.choice((f"A {who}", f"The {who}", "Somebody" if who != "dog" else "A pet"))
    return {"premise": premise, "hypothesis": f"{subject} {DEEDS[deed][label]}.", "label": LABELS[label]}


def _row(kind: str, values: Mapping[str, object]) -> HostileRow:
    return HostileRow(kind, json.dumps(values, ensure_ascii=True).encode("ascii"), dict(values))


def _raw(kind: str, values: Mapping[str, object]) -> HostileRow:
    """Return a row whose characters stand in the file as they are, where UTF-8 can hold them."""
    try:
        return HostileRow(kind, json.dumps(values, ensure_ascii=False).encode("utf-8"), dict(values))
    except UnicodeEncodeError:
        return _row(kind, values)


def _with_text(kind: str, texts: tuple[str, ...], rng: random.Random) -> HostileRow:
    """Return a pair with such a text as a sentence, or in the middle of one."""
    values, text = _ordinary(rng), rng.choice(texts)
    for role in rng.choice((("premise",), ("hypothesis",), ("premise", "hypothesis"))):
        words = str(values[role]).split(" ")
        place = rng.randrange(len(words) + 1)
        mixed = (" ".join([*words[:place], text, *words[place:]]), text.join(words), f"{words[0]}{text}")
        values[role] = text if kind == "blank" or rng.random() < 0.4 else rng.choice(mixed)
    return rng.choice((_row, _raw))(kind, values)


def _with_value(kind: str, roles: tuple[str, ...], choices: tuple[object, ...], rng: random.Random) -> HostileRow:
    return _row(kind, {**_ordinary(rng), rng.choice(roles): rng.choice(choices)})


def _keys(rng: random.Random) -> HostileRow:
    """Return a row with a sentence missing, or with more, doubled or misspelt keys."""
    values, role = _ordinary(rng), rng.choice(("premise", "hypothesis"))
    renamed = {(f"{name} " if name == role else name): value for name, value in values.items()}
    missing = {name: value for name, value in values.items() if name != role}
    more = {**values, "kind": "x", "": 0, "\u202e": [{}], "premise2": None, "sentence1": 3}
    doubled = json.dumps({**values, role: None})[:-1] + ", " + json.dumps({role: values[role]})[1:]
    rows = (_row("keys", renamed), _row("keys", missing), _row("keys", more), _row("keys", {"label": 0}))
    return rng.choice((*rows, HostileRow("keys", doubled.encode(), values)))


def _broken(rng: random.Random) -> HostileRow:
    """Return a line that is no JSON, or half of one."""
    line = _row("broken lines", _ordinary(rng)).line
    half = line[: rng.randrange(1, len(line))]
    torn = line[: len(line) // 2] + rng.choice((b"\x00", b"\\", b'"', b"\t", b"}", b"\\u12")) + line[len(line) // 2 :]
    return HostileRow("broken lines", rng.choice((half, torn, line + line, line + b",", b"," + line)), None)


def _not_utf8(rng: random.Random) -> HostileRow:
    line = _row("no UTF-8", _ordinary(rng)).line
    place = rng.randrange(1, len(line))
    bad = rng.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf", b"caf\xe9"))
    return HostileRow("no UTF-8", line[:place] + bad + line[place:], None)


def _deep(rng: random.Random) -> HostileRow:
    values, depth = _ordinary(rng), rng.choice((50, 500, 100_000))
    nested = "[" * depth + "]" * depth if rng.random() < 0.5 else '{"a":' * depth + "1" + "}" * depth
    line = json.dumps(values)[:-1] + f', "more": {nested}}}'
    return HostileRow("deep or huge JSON", line.encode(), None)


def _huge(rng: random.Random) -> HostileRow:
    role = rng.choice(("premise", "hypothesis", "label", "more"))
    number = "1" * rng.choice((20, 400, 5_000))
    line = json.dumps({**_ordinary(rng), role: None}).replace("null", number)
    return HostileRow("deep or huge JSON", line.encode(), None)


def _many_words(rng: random.Random) -> HostileRow:
    values = _ordinary(rng)
    words = " ".join(f"{values['premise']}".split() * (MANY_WORDS // 4))
    for role in rng.choice((("premise",), ("hypothesis",), ("premise", "hypothesis"))):
        values[role] = " ".join(words.split()[:MANY_WORDS])
    return _row("10,000 words", values)


def _megabyte(rng: random.Random) -> HostileRow:
    unit = rng.choice(("x", "é", "字", "'", "-", "ab'", "\u0301"))
    text = (unit * MEGABYTE)[:MEGABYTE]
    return _row("a megabyte without a space", {**_ordinary(rng), rng.choice(("premise", "hypothesis")): text})


def _text_kind(kind: str, texts: tuple[str, ...]) -> Draw:
    return lambda rng: _with_text(kind, texts, rng)


KINDS: Mapping[str, Draw] = {
    **{kind: _text_kind(kind, texts) for kind, texts in TEXTS.items()},
    "no text": lambda rng: _with_value("no text", ("premise", "hypothesis"), NO_TEXTS, rng),
    "wrong labels": lambda rng: _with_value("wrong labels", ("label",), BAD_LABELS, rng),
    "odd labels": lambda rng: _with_value("odd labels", ("label",), ODD_LABELS, rng),
    UNLABELLED: lambda rng: _with_value(UNLABELLED, ("label",), NO_LABELS, rng),
    "other spellings of labels": lambda rng: _with_value("other spellings of labels", ("label",), GOOD_LABELS, rng),
    "keys": _keys,
    "no objects": lambda rng: HostileRow("no objects", rng.choice(NO_OBJECTS), None),
    "broken lines": _broken,
    "no UTF-8": _not_utf8,
    "deep or huge JSON": lambda rng: rng.choice((_deep, _huge))(rng),
}
LONG_KINDS: Mapping[str, Draw] = {"10,000 words": _many_words, "a megabyte without a space": _megabyte}


def draw_rows(count: int, *, seed: int) -> list[HostileRow]:
    """Return that many rows, a third of them ordinary, every kind among them if there is room.

    >>> [row.kind for row in draw_rows(3, seed=0)]
    ['ordinary', 'blank', 'emoji']

    Args:
        count: How many.
        seed: Of the generator; a shorter list is no beginning of a longer one.
    """
    rng = random.Random(seed)
    num_ordinary, num_long = -(-count // 3), count // ROWS_PER_LONG_ROW
    long_kinds = [list(LONG_KINDS.values())[i % len(LONG_KINDS)] for i in range(num_long)]
    # Each kind once, and then again: none is left to chance.
    others = [list(KINDS.values())[i % len(KINDS)] for i in range(count - num_ordinary - num_long)]
    rows = [_row(ORDINARY, _ordinary(rng)) for _ in range(num_ordinary)]
    rows += [draw(rng) for draw in (*others, *long_kinds)]
    if count > len(KINDS):
        rng.shuffle(rows)
    return rows
