"""What independent models say about the successes of a run, and the file that keeps it.

``judgements.jsonl`` holds one line a pair, in the order of ``results.jsonl`` by the same rules: keys in the order of
``Judgement``'s fields, floats rounded to 5 decimals.  Judges keep the order in which they were given, for the first one
scores.  Figures are derived from the lines as read back.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from textsem.evaluation.result_lines import DECIMALS
from textsem.outputs import AttackResult
from textsem.protocols import Target
from textsem.runs.whole_files import write_whole
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize

__all__ = [
    "JUDGEMENTS_NAME",
    "Judgement",
    "SentenceSimilarity",
    "judge_results",
    "read_judgements",
    "write_judgements",
]

JUDGEMENTS_NAME = "judgements.jsonl"


@runtime_checkable
class SentenceSimilarity(Protocol):
    """Tells how close two sentences are in meaning."""

    def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> Tensor:
        """Return the cosine of both sentences' embeddings, [rows]."""
        ...


@dataclass(frozen=True)
class Judgement:
    """One line of ``judgements.jsonl``: what does not depend on a threshold.

    Args:
        index: The pair's ``AttackResult.index``.
        before: The label that each judge gives to the unchanged pair, by the judge's name; one of the judge's own
            labels, three or two.
        after: The same for the adversarial hypothesis; None, as all that follows, where there is no success.
        similarity: Cosine of the sentence embeddings of both hypotheses; None also without a sentence encoder.
        perplexity_ratio: Trigram perplexity of the adversarial hypothesis over the original's; None also without a
            language model.
        has_new_unknown: Whether the adversarial hypothesis has a word that the language model does not know and the
            original does not have; None also without a language model.
    """

    index: int
    before: dict[str, str]
    after: dict[str, str] | None = None
    similarity: float | None = None
    perplexity_ratio: float | None = None
    has_new_unknown: bool | None = None


def judge_results(
    results: Sequence[AttackResult],
    judges: Mapping[str, Target],
    encoder: SentenceSimilarity | None,
    language_model: TrigramLanguageModel | None,
) -> list[Judgement]:
    """Ask judges, sentence encoder and language model about every pair of a finished run.

    Pairs that the target had wrong are judged before as well: they tell how often the judge is right at large.

    Args:
        results: Lines of a run, read back; gone through once.
        judges: Classifiers that the search never saw, by name; the first one scores.
        encoder: Measures similarity; None leaves it open.
        language_model: Measures fluency; None leaves it open.

    Returns:
        One judgement a line, in the same order.

    Raises:
        ValueError: If there is no judge, or the encoder does not answer for each row.
    """
    if not judges:
        raise ValueError("expected at least one judge, got none")
    pairs, flips = [], []
    for result in results:
        pairs.append((result.index, result.premise, result.hypothesis))
        if result.status == "success":
            flips.append(result)
    originals, texts = [r.hypothesis for r in flips], [r.adversarial or "" for r in flips]
    before = _labels(judges, [premise for _, premise, _ in pairs], [hypothesis for _, _, hypothesis in pairs])
    after = _labels(judges, [r.premise for r in flips], texts)
    similarities = _similarities(encoder, originals, texts)
    ratios, unknown = _fluency(language_model, originals, texts)
    rows = {flip.index: row for row, flip in enumerate(flips)}
    judged = []
    for own, (index, _, _) in zip(before, pairs, strict=True):
        row = rows.get(index)
        if row is None:
            judged.append(Judgement(index, own))
        else:
            judged.append(Judgement(index, own, after[row], similarities[row], ratios[row], unknown[row]))
    return judged


def write_judgements(path: str | Path, judgements: Sequence[Judgement]) -> None:
    """Write the whole file beside and move it over, so that a kill leaves the old one or the new one.

    Raises:
        ValueError: If the indices do not rise, or a number is not finite.
        OSError: If the file cannot be written.
    """
    _check_rising([j.index for j in judgements])
    lines = [
        json.dumps({k: _plain(v) for k, v in asdict(j).items()}, ensure_ascii=False, allow_nan=False)
        for j in judgements
    ]
    write_whole(Path(path), "".join(line + "\n" for line in lines).encode("utf-8"))


def read_judgements(path: str | Path) -> list[Judgement]:
    """Read a whole file.

    Raises:
        ValueError: If a line is torn, has other fields or values, or stands out of order.
    """
    path = Path(path)
    with path.open("rb") as file:
        judgements = [_from_line(line, number, path) for number, line in enumerate(file)]
    _check_rising([j.index for j in judgements])
    return judgements


def _from_line(line: bytes, number: int, path: Path) -> Judgement:
    """Return what a line holds, its values no other than ``write_judgements`` writes."""
    names, mend = [f.name for f in fields(Judgement)], "remove the file, and judge the run anew"
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a whole JSON line {number} of {path}, got {line[:60]!r}: {mend}") from error
    if not isinstance(values, dict) or list(values) != names or not line.endswith(b"\n"):
        raise ValueError(f"expected fields {names} in a whole line {number} of {path}, got {line[:60]!r}: {mend}")
    for name, value in values.items():
        if not _HAS_FORM[name](value):
            raise ValueError(f"expected another {name} in line {number} of {path}, got {value!r}: {mend}")
    return Judgement(**values)


def _is_labels(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(label, str) for label in value.values())


def _is_finite(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))


_HAS_FORM: dict[str, Callable[[Any], bool]] = {
    "index": lambda value: type(value) is int and value >= 0,
    "before": _is_labels,
    "after": lambda value: value is None or _is_labels(value),
    "similarity": _is_finite,
    "perplexity_ratio": _is_finite,
    "has_new_unknown": lambda value: value is None or isinstance(value, bool),
}


def _labels(judges: Mapping[str, Target], premises: Sequence[str], hypotheses: Sequence[str]) -> list[dict[str, str]]:
    """Return each pair's label by judge; equal pairs are asked once, all of them in one call."""
    distinct = list(dict.fromkeys(zip(premises, hypotheses, strict=True)))
    given = {}
    for name, judge in judges.items():
        answers = judge.predict([p for p, _ in distinct], [h for _, h in distinct])
        if answers.shape != (len(distinct), len(judge.label_names)) or not torch.isfinite(answers).all():
            raise ValueError(f"expected finite probabilities of judge {name} for {len(distinct)} pairs, got others")
        labels = [judge.label_names[k] for k in answers.argmax(dim=1).tolist()] if distinct else []
        given[name] = dict(zip(distinct, labels, strict=True))
    return [{name: labels[pair] for name, labels in given.items()} for pair in zip(premises, hypotheses, strict=True)]


def _similarities(
    encoder: SentenceSimilarity | None, originals: Sequence[str], texts: Sequence[str]
) -> Sequence[float | None]:
    if encoder is None or not texts:
        return [None] * len(texts)
    values = encoder.similarity(originals, texts)
    if values.shape != (len(texts),) or not torch.isfinite(values).all():
        raise ValueError(f"expected {len(texts)} finite similarities, got shape {list(values.shape)}")
    return [float(value) for value in values.tolist()]


def _fluency(
    language_model: TrigramLanguageModel | None, originals: Sequence[str], texts: Sequence[str]
) -> tuple[Sequence[float | None], Sequence[bool | None]]:
    """Return perplexity ratios, and whether an unknown word came in."""
    if language_model is None:
        return [None] * len(texts), [None] * len(texts)
    old, new = [tokenize(text).words for text in originals], [tokenize(text).words for text in texts]
    ratios = language_model.perplexity(new) / language_model.perplexity(old)
    known = language_model.vocabulary.ids
    unknown = [any(w not in known and w not in a for w in b) for a, b in zip(old, new, strict=True)]
    return [float(ratio) for ratio in ratios], unknown


def _check_rising(indices: Sequence[int]) -> None:
    for previous, index in pairwise(indices):
        if index <= previous:
            raise ValueError(f"expected judgements in the order of the pairs, got {index} after {previous}")


def _plain(value: Any) -> Any:
    """Round a float; adding 0.0 turns -0.0 into 0.0."""
    return round(value, DECIMALS) + 0.0 if isinstance(value, float) else value
