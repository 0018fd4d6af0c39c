"""What a line of ``results.jsonl`` says, held against the target's own answers and against its texts.

What is written there is rounded to 5 decimals, and a target's row has the same bits in any batch (see
``textsem.text.constant_shapes``).  So a probability may differ from the written one by half a unit of the last decimal,
and by 1e-6, eight roundings of a float32 near 1, where the row came through other kernels: ``TOLERANCE``.  How many
queries a line took cannot be asked again without the whole attack; it is held against status, budget and summary.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from textsem.attacks.selection import plain_form
from textsem.evaluation.validity_conditions import was_attacked
from textsem.evaluation.verification_checks import TOLERANCE, Check, Difference
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.protocols import Target
from textsem.text.batches import encode_sentences
from textsem.text.labels import agree
from textsem.text.similarity import embedding_distance
from textsem.text.tokenization import tokenize, word_edits

__all__ = ["check_answers", "check_lines", "is_peer"]

PEER = "textattack:"  # settings.candidates_from of an attack of another package begins with it


def is_peer(settings: Mapping[str, Any]) -> bool:
    """Tell whether the run's candidates come from another package, which knows no distance."""
    return str(settings.get("candidates_from", "")).startswith(PEER)


def check_answers(results: Sequence[AttackResult], target: Target, *, tolerance: float = TOLERANCE) -> list[Check]:
    """Ask about every unchanged pair and every adversarial text again; compare predictions and probabilities.

    Args:
        results: The lines.
        target: Limited to the run's access.
        tolerance: Largest difference of a probability.
    """
    asked = [r for r in results if r.prediction is not None]
    changed = [r for r in results if r.adversarial is not None]
    return [
        _ask("unchanged pairs", "original", asked, lambda r: r.hypothesis, lambda r: r.prediction, target, tolerance),
        _ask(
            "adversarial texts",
            "adversarial",
            changed,
            lambda r: r.adversarial or "",
            lambda r: r.adversarial_prediction,
            target,
            tolerance,
        ),
    ]


def _ask(
    name: str,
    key: str,
    results: Sequence[AttackResult],
    text_of: Callable[[AttackResult], str],
    prediction_of: Callable[[AttackResult], str | None],
    target: Target,
    tolerance: float,
) -> Check:
    answers = target.predict([r.premise for r in results], [text_of(r) for r in results])
    field = "prediction" if key == "original" else "adversarial_prediction"
    found = []
    for result, row in zip(results, answers.tolist(), strict=True):
        where, names = f"line {result.index}", target.label_names
        prediction = names[row.index(max(row))]
        if prediction != prediction_of(result):
            found.append(Difference(where, field, prediction_of(result), prediction))
        written = (result.scores or {}).get(key, {})
        if set(written) != set(names):
            found.append(Difference(where, f"scores.{key}", sorted(written), sorted(names)))
            continue
        for label, probability in zip(names, row, strict=True):
            if not abs(written[label] - probability) <= tolerance:
                found.append(Difference(where, f"scores.{key}.{label}", written[label], round(probability, 7)))
    return Check(f"{name}: prediction and probabilities", len(results), tuple(found))


def check_lines(
    results: Sequence[AttackResult], settings: Mapping[str, Any], model: TextAdversary | None, *, tolerance: float
) -> list[Check]:
    """Check what must follow from the texts and predictions of a line.

    Args:
        results: The lines.
        settings: Of the run; ``max_queries`` bounds the queries.
        model: Whose embeddings distances are taken between; None leaves distances out.
        tolerance: Largest difference of a distance.
    """
    statuses = [d for r in results for d in _status_differences(r, settings)]
    successes = [r for r in results if r.adversarial is not None]
    edits, distances = [], []
    for result in successes:
        where, old, new = f"line {result.index}", tokenize(result.hypothesis), tokenize(result.adversarial or "")
        count = word_edits(old.words, new.words)
        if result.edits != count:
            edits.append(Difference(where, "edits", result.edits, count))
        if model is None or (result.distance is None and is_peer(settings)):
            continue
        distance = _distance(model, old.words, new.words)
        if result.distance is None or not abs(result.distance - distance) <= tolerance:
            distances.append(Difference(where, "distance", result.distance, round(distance, 7)))
    checks = [Check("status, adversarial text and queries", len(results), tuple(statuses))]
    checks.append(Check("edits", len(successes), tuple(edits)))
    if model is not None:
        checks.append(Check("distance", sum(r.distance is not None for r in successes), tuple(distances)))
    return checks


def _status_differences(result: AttackResult, settings: Mapping[str, Any]) -> list[Difference]:
    """Return what does not follow from label, predictions and texts.

    Other packages count a flip in which no word changed; their lines say what they did, and validity leaves it out.
    """
    where, is_right = f"line {result.index}", was_attacked(result)
    found = []
    is_kept = agree(result.label, result.adversarial_prediction)
    has_flipped = is_right and result.adversarial is not None and not is_kept
    fitting = ["success"] if has_flipped else ["failed", "unsupported", "error"] if is_right else ["skipped"]
    fitting = ["error"] if result.prediction is None else fitting
    if result.status not in fitting:
        found.append(Difference(where, "status", result.status, " or ".join(fitting)))
    is_same = result.adversarial is not None and plain_form(result.adversarial) == plain_form(result.hypothesis)
    if is_same and not is_peer(settings):
        found.append(Difference(where, "adversarial", result.adversarial, "a text that differs in letters"))
    if result.status != "success":
        for name in ("adversarial", "adversarial_prediction", "distance", "edits"):
            if getattr(result, name) is not None:
                found.append(Difference(where, name, getattr(result, name), None))
    low = 1 if result.status == "success" else 0
    high = 0 if result.status in ("skipped", "unsupported") else settings.get("max_queries")
    is_counted = result.status != "error"  # what was asked before an error may have been asked twice
    if is_counted and not (low <= result.queries and (high is None or result.queries <= high)):
        found.append(Difference(where, "queries", result.queries, f"{low} to {high}"))
    return found


def _distance(model: TextAdversary, old: Sequence[str], new: Sequence[str]) -> float:
    longest = max(len(old), len(new), model.config.max_length)
    ids = encode_sentences([old, new], vocabulary=model.vocabulary, max_length=longest)
    with torch.no_grad():
        return float(embedding_distance(model.embedding_table(), ids[0], ids[1:])[0])
