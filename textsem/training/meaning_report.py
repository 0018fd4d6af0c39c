"""What a distillation leaves in an adversary's folder: the meaning table, and a section of the model card."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from textsem.runs.checkpoint import write_text
from textsem.text.meaning import MEANING_FILE
from textsem.training.meaning import SIMILARITY_LIMIT, DistilledMeaning, MeaningConfig

__all__ = ["save_meaning"]

SECTION = "## Meaning table"
CONFIG_START = ("format", "has_trigram", "has_meaning")  # as `TextAdversary.save_pretrained` orders them


def save_meaning(
    distilled: DistilledMeaning, folder: Path, config: MeaningConfig, description: Mapping[str, str]
) -> None:
    """Give the adversary in ``folder`` its meaning table and a section of its card that says where it comes from.

    Each file is replaced in one step, the table before the ``config.json`` that names it.

    Args:
        distilled: From ``distil_meaning``.
        folder: A folder that `TextAdversary.save_pretrained` wrote.
        config: What it was made with.
        description: Lines of the card by name: encoder, data, command, machine.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".meaning-") as apart:
        distilled.table.save(apart)
        os.replace(Path(apart) / MEANING_FILE, folder / MEANING_FILE)
    values = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"has_meaning": True}
    ordered = {name: values.pop(name) for name in CONFIG_START} | values
    write_text(folder / "config.json", json.dumps(ordered, indent=2) + "\n")
    _replace_section(folder / "README.md", _section(distilled, config, description))


def _section(distilled: DistilledMeaning, config: MeaningConfig, description: Mapping[str, str]) -> str:
    lines = [
        SECTION,
        "",
        f"A sentence encoder distilled into word vectors (`{MEANING_FILE}`, float16): the cosine of their sums stands",
        "for the encoder's.  Measured on sentences that were not fitted: mean cosine of the sum with the encoder's",
        "vector, within the table's dimensions; and on swaps of one and two of their words with embedding neighbours:",
        f"how the table's similarity goes with the encoder's, and tells where that is {SIMILARITY_LIMIT} or more.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in distilled.figures.items()),
        "",
        *(f"- {name}: {value}" for name, value in description.items()),
        f"- Seed: {config.seed}",
        f"- Settings: `{json.dumps(asdict(config))}`",
    ]
    return "\n".join(lines)


def _shown(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _replace_section(path: Path, section: str) -> None:
    """Put the section at the end of the card, in place of an earlier one."""
    card = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, _, old = card.partition(f"{SECTION}\n")
    _, heading, after = old.partition("\n## ")
    parts = [before.strip("\n"), (heading + after).strip("\n"), section]
    write_text(path, "\n\n".join(part for part in parts if part) + "\n")
