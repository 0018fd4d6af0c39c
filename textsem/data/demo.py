"""The demo pairs: NLI pairs written for this project, for machines without SNLI."""

import json
from importlib.resources import files

from textsem.data.table import Table

__all__ = ["DEMO_SOURCE", "demo_kinds", "read_demo"]

DEMO_SOURCE = "demo pairs of textsem"


def read_demo() -> Table:
    """Return the demo pairs: 216 of them, six for every label of every kind of hypothesis.

    Their order walks through kinds and labels in turn, so that a prefix is nearly balanced over both.
    """
    rows = _rows()
    columns = {name: [row[name] for row in rows] for name in ("premise", "hypothesis", "label")}
    return Table(DEMO_SOURCE, None, columns, tuple(rows[0]), {})


def demo_kinds() -> tuple[str, ...]:
    """Return what each demo pair is about (action, number, place, ...), in the order of ``read_demo``."""
    return tuple(row["kind"] for row in _rows())


def _rows() -> list[dict[str, str]]:
    text = files("textsem").joinpath("assets", "demo_pairs.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
