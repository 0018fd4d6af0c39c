"""What is measured of each model of the augmentation experiment: on test sets, on others' attacks, under fresh ones."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from textsem.data.nli import NliData, load_nli
from textsem.evaluation.augmentation_chunks import RowMaker
from textsem.evaluation.augmentation_config import AugmentationConfig
from textsem.evaluation.augmented_rows import AugmentedRow
from textsem.evaluation.judges import JUDGEMENTS_NAME, read_judgements
from textsem.evaluation.results import RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME, read_results
from textsem.protocols import Target
from textsem.text.labels import LABEL_NAMES, agree

__all__ = [
    "Augmenter",
    "Kind",
    "MeasuredSet",
    "label_noise",
    "load_measured_set",
    "measure_cost",
    "read_unseen",
    "right_digits",
]

Augmenter = Callable[[AugmentationConfig], RowMaker]  # `textsem.augmentation.AdversarialAugmenter`
Kind = Literal["clean", "unseen", "label kept", "other"]
_CHUNK = 4096
_NOISE_ROWS = 1000
_SPLITS = ("train", "dev", "validation", "test")


@dataclass(frozen=True)
class MeasuredSet:
    """Pairs on which every model is asked once.

    Args:
        kind: ``clean``; ``unseen``, successes of others' attacks against a model that is no arm's; ``label kept``,
            those among them on which the judge gives the gold label; ``other``, other data.
        source: Where they come from.
        premises: One a row.
        hypotheses: One a row.
        labels: Names of the gold labels.
    """

    kind: Kind
    source: str
    premises: Sequence[str]
    hypotheses: Sequence[str]
    labels: Sequence[str]

    def describe(self) -> dict[str, Any]:
        """Return what is written of it; the digest is of its rows in their order."""
        digest = hashlib.sha256()
        for row in zip(self.premises, self.hypotheses, self.labels, strict=True):
            digest.update(json.dumps(row).encode() + b"\n")
        return {"kind": self.kind, "rows": len(self.labels), "source": self.source, "sha256": digest.hexdigest()}


def load_measured_set(source: str | None, *, kind: Kind) -> MeasuredSet:
    """Return all labelled pairs of a data set as ``load_nli`` takes it, its test split unless ``:split`` ends it."""
    place, _, split = (source or "").rpartition(":")
    data: NliData = load_nli(place, split=split) if place and split in _SPLITS else load_nli(source, split="test")
    return MeasuredSet(
        kind,
        Path(data.identity.source).name,
        data.premises,
        data.hypotheses,
        [LABEL_NAMES[label] for label in data.labels],
    )


def read_unseen(name: str, folder: Path) -> tuple[dict[str, MeasuredSet], str | None]:
    """Return the successes of an attack run as test sets, and the digest of the model that they were made against.

    Args:
        name: What the sets are called: the name, and with ``, label kept`` the part whose label the judge keeps.
        folder: A run of ``scripts/attack_snli.py`` or of one attack of ``scripts/compare_attacks.py``.

    Raises:
        ValueError: If there is no finished run, or no success in it.
    """
    for needed in (RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME):
        if not (folder / needed).is_file():
            raise ValueError(f"expected the folder of a finished attack run for {name}, got {folder} without {needed}")
    found = [result for result in read_results(folder / RESULTS_NAME) if result.status == "success"]
    if not found:
        raise ValueError(f"expected successes in the attack run {folder} for {name}, got none")
    judged = folder / JUDGEMENTS_NAME
    judgements = read_judgements(judged) if judged.is_file() else []
    labels = {judgement.index: next(iter(judgement.after.values())) for judgement in judgements if judgement.after}
    parts: dict[str, tuple[Kind, list[Any]]] = {name: ("unseen", found)}
    same = [result for result in found if result.index in labels and agree(result.label, labels[result.index])]
    if same:
        parts[f"{name}, label kept"] = ("label kept", same)
    settings = json.loads((folder / SETTINGS_NAME).read_text(encoding="utf-8"))
    target = settings.get("identity", {}).get("target", {})
    sets = {
        title: MeasuredSet(
            kind,
            folder.name,
            [result.premise for result in rows],
            [str(result.adversarial) for result in rows],
            [result.label for result in rows],
        )
        for title, (kind, rows) in parts.items()
    }
    return sets, target.get("sha256")


def right_digits(target: Target, rows: MeasuredSet) -> str:
    """Return for each row 1 where the target's most likely class agrees with the label, else 0."""
    digits = []
    for start in range(0, len(rows.labels), _CHUNK):
        part = slice(start, start + _CHUNK)
        predicted = target.predict(rows.premises[part], rows.hypotheses[part]).argmax(dim=-1).tolist()
        names = [target.label_names[number] for number in predicted]
        digits += ["1" if agree(label, name) else "0" for label, name in zip(rows.labels[part], names, strict=True)]
    return "".join(digits)


def label_noise(judge: Target, rows: Sequence[AugmentedRow], *, seed: int = 0) -> dict[str, Any]:
    """Return on how many of at most 1,000 random rows the judge gives another label than they have.

    Args:
        judge: Took no part in their making.
        rows: Of an arm.
        seed: Of the sample.
    """
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:_NOISE_ROWS].tolist()
    sample = [rows[i] for i in order]
    asked = MeasuredSet(
        "other",
        "",
        [row.premise for row in sample],
        [row.hypothesis for row in sample],
        [LABEL_NAMES[row.label] for row in sample],
    )
    return {"rows": len(sample), "disagree": right_digits(judge, asked).count("0")}


def measure_cost(config: AugmentationConfig, pairs: NliData, augmenter: Augmenter) -> dict[str, float]:
    """Return the milliseconds of processor time that augmentation takes a pair, with and without its filters.

    Args:
        config: With which rows were made; without filters means without fluency, similarity, parts of speech and
            consent.
        pairs: On which it is timed.
        augmenter: Makes what makes rows.
    """
    bare = replace(
        config, filter_model="none", max_perplexity_ratio=None, part_of_speech="none", min_similarity=None, share=1.0
    )
    times = {}
    for name, settings in (("with", replace(config, share=1.0)), ("without", bare)):
        maker = augmenter(settings)
        maker.new_rows(pairs.premises[:1], pairs.hypotheses[:1], [LABEL_NAMES[pairs.labels[0]]])  # loads
        began = time.process_time()
        rows = maker.new_rows(pairs.premises, pairs.hypotheses, [LABEL_NAMES[label] for label in pairs.labels])
        times[f"ms_a_row_{name}_filters"] = 1000.0 * (time.process_time() - began) / len(pairs)
        times["new_rows_a_pair" if name == "with" else "new_rows_a_pair_without_filters"] = sum(map(len, rows)) / len(
            pairs
        )
    return times
