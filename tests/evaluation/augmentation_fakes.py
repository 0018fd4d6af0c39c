"""An augmenter whose rows are known beforehand, that worker processes can unpickle."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textsem.attacks.new_rows import SOURCES, NewRow
from textsem.evaluation.augmentation_config import AugmentationConfig

LABELS = ("entailment", "neutral", "contradiction")


class KnownMaker:
    """Makes as many rows of a pair as the number at its hypothesis's end says, the sources in turn.

    Args:
        seconds: How long a pair takes.
        last: Number of the pair on which this process is interrupted; None for none.
        options: Of the config.
    """

    def __init__(self, *, seconds: float = 0.0, last: int | None = None, **options: Any) -> None:
        self.config = AugmentationConfig(**options)
        self.counts: Counter[str] = Counter()
        self.identity: dict[str, dict[str, str | None]] = {"filter_model": {"name": "bundled", "sha256": "ab" * 32}}
        self.seconds, self.last = seconds, last

    def new_rows(
        self, premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str | None]
    ) -> list[list[NewRow]]:
        found = []
        for hypothesis, label in zip(hypotheses, labels, strict=True):
            assert label in LABELS or label == "not_entailment"
            words = hypothesis.split()
            if words[-2] == str(self.last):
                raise KeyboardInterrupt
            time.sleep(self.seconds)
            own = [NewRow(f"{hypothesis} {SOURCES[i]}", SOURCES[i]) for i in range(int(words[-1]))]
            self.counts.update({"pairs": 1, "perturbed": 1, "proposed": 10, "fluency": 3, "passed": 7, "tried": 4})
            self.counts.update({"consent": 4 - len(own), "target wrong": int(label == "neutral")})
            self.counts.update(f"kept {row.origin}" for row in own)
            found.append(own)
        return found


def known_rows(number: int) -> list[dict[str, Any]]:
    """Return labelled pairs of which pair i gets i mod 4 new rows."""
    return [
        {"premise": f"premise | {i}", "hypothesis": f"text é {i} {i % 4}", "label": LABELS[i * i % 3]}
        for i in range(number)
    ]


def write_pairs(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as jsonl and return the file's name."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def expected_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str, str, int]]:
    """Return, by a naive loop, what an output must hold."""
    out = []
    for i, row in enumerate(rows):
        texts = [(row["hypothesis"], "original")]
        texts += [(f"{row['hypothesis']} {SOURCES[k]}", SOURCES[k]) for k in range(int(row["hypothesis"].split()[-1]))]
        out += [(row["premise"], text, row["label"], origin, row["hypothesis"], i) for text, origin in texts]
    return out
