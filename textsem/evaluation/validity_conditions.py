"""The conditions of a valid success (METHOD section 6): which flips are attacks, and why the others are not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from textsem.attacks.selection import plain_form
from textsem.evaluation.judges import Judgement
from textsem.outputs import AttackResult
from textsem.text.labels import agree

__all__ = [
    "CONDITIONS",
    "Condition",
    "ValidityThresholds",
    "attacked_pairs",
    "failed_conditions",
    "has_measures",
    "is_flip",
    "is_valid",
    "was_attacked",
]

Condition = Literal[
    "no word changed", "judge wrong before", "judge follows the flip", "similarity", "fluency", "unknown word"
]
CONDITIONS: tuple[Condition, ...] = (
    "no word changed",
    "judge wrong before",
    "judge follows the flip",
    "similarity",
    "fluency",
    "unknown word",
)


@dataclass(frozen=True)
class ValidityThresholds:
    """How close to the original a valid success must be.

    Args:
        min_similarity: Smallest cosine of the sentence embeddings, in [-1, 1].
        max_perplexity_ratio: Largest trigram perplexity over the original's, above 0; None for any.

    Raises:
        ValueError: If a threshold is out of range.
    """

    min_similarity: float = 0.80
    max_perplexity_ratio: float | None = 2.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not -1 <= self.min_similarity <= 1:
            raise ValueError(f"expected min_similarity from -1 to 1, got {self.min_similarity}")
        if self.max_perplexity_ratio is not None and not self.max_perplexity_ratio > 0:
            raise ValueError(f"expected max_perplexity_ratio above 0 or None, got {self.max_perplexity_ratio}")


def was_attacked(result: AttackResult) -> bool:
    """Tell whether the target had the pair right: such pairs are the denominator, whatever became of them.

    Right is a prediction that agrees with the gold label: not_entailment agrees with neutral and with contradiction.
    """
    return agree(result.label, result.prediction)


def is_flip(result: AttackResult) -> bool:
    """Tell whether the target had the pair right and an adversarial hypothesis changed its label."""
    return was_attacked(result) and result.status == "success"


def is_valid(
    result: AttackResult, judgement: Judgement, judge_name: str, thresholds: ValidityThresholds | None = None
) -> bool:
    """Tell whether a line is a valid success.

    That is: the target's label flipped, some word changed (case, space and punctuation apart), the judge's labels
    before and after both agree with the pair's, both hypotheses are similar enough, the new one is fluent enough, and
    no unknown word came in.

    Args:
        result: A line of ``results.jsonl``.
        judgement: The line of ``judgements.jsonl`` about it.
        judge_name: Which of the judges counts.
        thresholds: None for METHOD's: 0.80 and 2.

    Raises:
        ValueError: If the judgement is about another pair, lacks the judge, or lacks similarity or fluency of a flip.
    """
    return is_flip(result) and not failed_conditions(result, judgement, judge_name, thresholds or ValidityThresholds())


def failed_conditions(
    result: AttackResult, judgement: Judgement, judge_name: str, thresholds: ValidityThresholds
) -> set[Condition]:
    """Return the conditions that a flip fails; none for a valid success.

    A judge that was wrong before cannot follow the flip: of these two at most one fails.

    Raises:
        ValueError: As ``is_valid``; or if the line is no flip.
    """
    before, after = _labels_of(result, judgement, judge_name)
    if not has_measures(judgement):
        raise ValueError(
            f"expected similarity and perplexity ratio of the success of pair {result.index}, got "
            f"{judgement.similarity} and {judgement.perplexity_ratio}: without a sentence encoder and a language model "
            "validity cannot be stated"
        )
    similarity, ratio, allowed = judgement.similarity, judgement.perplexity_ratio, thresholds.max_perplexity_ratio
    assert similarity is not None
    assert ratio is not None
    failed: dict[Condition, bool] = {
        "no word changed": plain_form(result.adversarial or "") == plain_form(result.hypothesis),
        "judge wrong before": not agree(result.label, before),
        "judge follows the flip": agree(result.label, before) and not agree(result.label, after),
        "similarity": not similarity >= thresholds.min_similarity,
        "fluency": allowed is not None and not ratio <= allowed,
        "unknown word": bool(judgement.has_new_unknown),
    }
    return {condition for condition, has_failed in failed.items() if has_failed}


def has_measures(judgement: Judgement) -> bool:
    """Tell whether similarity and fluency of a flip were measured."""
    return None not in (judgement.similarity, judgement.perplexity_ratio, judgement.has_new_unknown)


def attacked_pairs(
    results: Iterable[AttackResult], judgements: Sequence[Judgement]
) -> list[tuple[AttackResult, Judgement]]:
    """Return the attacked pairs, each with its judgement.

    Raises:
        ValueError: If an attacked pair has no judgement.
    """
    found = {judgement.index: judgement for judgement in judgements}
    attacked = [result for result in results if was_attacked(result)]
    missing = [result.index for result in attacked if result.index not in found]
    if missing:
        raise ValueError(f"expected a judgement of every attacked pair, got none of {len(missing)}, first {missing[0]}")
    return [(result, found[result.index]) for result in attacked]


def _labels_of(result: AttackResult, judgement: Judgement, judge_name: str) -> tuple[str, str]:
    """Return the judge's labels of a flip before and after, or say what is amiss."""
    if judgement.index != result.index:
        raise ValueError(f"expected the judgement of pair {result.index}, got that of pair {judgement.index}")
    if not is_flip(result) or judgement.after is None:
        raise ValueError(f"expected a judged success of pair {result.index}, got status {result.status}, not judged")
    if judge_name not in judgement.before or judge_name not in judgement.after:
        raise ValueError(f"expected a judge among {sorted(judgement.before)}, got {judge_name!r}")
    return judgement.before[judge_name], judgement.after[judge_name]
