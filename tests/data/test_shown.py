import pytest

from textsem.data.shown import listed, shown, writable


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", ["x" * 10_000_000, [["y" * 10**6] * 50], {"k" * 10**5: "v" * 10**5}, b"b" * 10**6, nested(5000)]
)
def test_shown_value_is_short_whatever_it_is(value: object) -> None:
    assert len(shown(value)) < 700


@pytest.mark.parametrize("value", [None, "yes", 7, 1.5, True, ["neutral"], b"\xff"])
def test_small_value_is_shown_as_its_repr(value: object) -> None:
    assert shown(value) == repr(value)


def test_number_that_python_does_not_write_is_named() -> None:
    assert shown(10**5_000) == "int too long to show"


def test_shown_and_listed_can_be_written() -> None:
    for text in (shown("a\ud800"), listed(["a\udfff", "b"]), writable("\udc80")):
        text.encode("utf-8")
    assert writable("\udc80x") == r"\udc80x"
    assert writable("é😀\u2028\0") == "é😀\u2028\0"


def test_many_or_long_names_are_cut() -> None:
    assert listed([f"c{i}" for i in range(10**5)]).endswith("c10, c11, ...")
    assert listed(["x" * 10**6]) == "x" * 40 + "..."
