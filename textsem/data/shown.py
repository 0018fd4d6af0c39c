"""How values of the data stand in messages and in lines of results: short, and always writable as UTF-8."""

import reprlib
from collections.abc import Sequence

__all__ = ["listed", "shown", "writable"]

MAX_NAMES, MAX_NAME = 12, 40

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60


def shown(value: object) -> str:
    """Return ``repr(value)``, cut short where it is long or deep.

    >>> shown("a cat"), len(shown("x" * 10_000_000))
    ("'a cat'", 60)
    """
    try:
        return _REPR.repr(value)
    except ValueError:  # Python writes no integer of thousands of digits
        return f"{type(value).__name__} too long to show"


def listed(names: Sequence[str]) -> str:
    """Return names in a row, "none" if there are none, the first few of many.

    >>> listed(["premise", "label"]), listed([])
    ('premise, label', 'none')
    """
    cut = [writable(name) if len(name) <= MAX_NAME else f"{writable(name[:MAX_NAME])}..." for name in names[:MAX_NAMES]]
    return ", ".join(cut + ["..."] * (len(names) > MAX_NAMES)) or "none"


def writable(text: str) -> str:
    r"""Return the text with each lone surrogate, which no UTF-8 file can hold, spelled out.

    >>> writable("caf\u00e9"), writable("a\ud800b")
    ('café', 'a\\ud800b')
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
