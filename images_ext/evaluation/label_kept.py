"""Did a flip keep the label?  An independent classifier is asked about every input and every flip.

A success of an attack is *joint* where the judge had the input right and still reads the same class in the adversarial
image: the target alone has changed its mind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from images_ext.evaluation.finished_run import FinishedRun, is_flip, was_attacked
from images_ext.outputs import ImageAttackResult
from images_ext.protocols import ImageTarget
from textsem.runs.intervals import proportion

__all__ = ["LabelJudgement", "is_joint", "joint_places", "judge_run", "keeps_label", "summarise_judgements"]

HIGHEST = 255
QUERY_BUDGETS = (1, 5, 20, 100)


@dataclass(frozen=True)
class LabelJudgement:
    """One line of ``judgements.jsonl``: what the judge sees in an input and in its flip.

    Args:
        index: Of the result.
        original: The judge's class of the unchanged image.
        adversarial: Its class of the returned image; None where that is no flip.
        label_probability: Its probability of the label, for ``original`` and for ``adversarial`` where there is one.
    """

    index: int
    original: str
    adversarial: str | None
    label_probability: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return asdict(self)


def judge_run(run: FinishedRun, judge: ImageTarget, *, batch_size: int = 256) -> list[LabelJudgement]:
    """Ask the judge about every input that the target was asked about, and about every flip in the ball or outside.

    Args:
        run: A finished run.
        judge: A classifier of the same classes that is neither the target nor took part in the attack.
        batch_size: Images in one forward pass.

    Returns:
        In input order; lines that ended in an error without a prediction have none.

    Raises:
        ValueError: If the judge does not know a label of the run.
    """
    names = judge.label_names
    for result in run.results:
        if result.prediction is not None and result.label not in names:
            raise ValueError(f"expected a judge that knows {result.label!r} of image {result.index}, got {names}")
    asked = [result for result in run.results if result.prediction is not None]
    flips = [result for result in asked if is_flip(result)]
    before = _probabilities(judge, run.inputs[[result.index for result in asked]], batch_size)
    after = _probabilities(judge, run.adversarials[[result.index for result in flips]], batch_size)
    flipped = {result.index: row for result, row in zip(flips, after, strict=True)}
    judgements = []
    for result, row in zip(asked, before, strict=True):
        place = names.index(result.label)
        probability = {"original": row[place]}
        changed = flipped.get(result.index)
        if changed is not None:
            probability["adversarial"] = changed[place]
        judgements.append(
            LabelJudgement(
                result.index, _best(row, names), None if changed is None else _best(changed, names), probability
            )
        )
    return judgements


def keeps_label(result: ImageAttackResult, judgement: LabelJudgement) -> bool:
    """Tell whether the judge reads the label in the returned image."""
    return judgement.adversarial == result.label


def is_joint(result: ImageAttackResult, judgement: LabelJudgement | None) -> bool:
    """Tell whether the target flipped inside the ball while the judge is right before and after."""
    return (
        judgement is not None
        and result.status == "success"
        and judgement.original == result.label
        and keeps_label(result, judgement)
    )


def joint_places(results: Sequence[ImageAttackResult], judgements: Iterable[LabelJudgement]) -> list[int]:
    """Return the indices of joint successes."""
    judged = {judgement.index: judgement for judgement in judgements}
    return [result.index for result in results if is_joint(result, judged.get(result.index))]


def summarise_judgements(
    results: Sequence[ImageAttackResult],
    judgements: Iterable[LabelJudgement],
    *,
    query_budgets: Sequence[int] = QUERY_BUDGETS,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return the shares of joint success and of labels kept, with every denominator.

    Args:
        results: All lines of a run.
        judgements: From ``judge_run``.
        query_budgets: Numbers of queries at which joint success is told.
        confidence: Coverage of the intervals.

    Returns:
        ``joint`` over the images that the target had right, ``joint_of_all`` over all of them, and
        ``joint_where_judge_right`` over those that both had right; ``kept`` over the successes, ``kept_where_right``
        over the successes on images that the judge had right, ``kept_raw`` over all flips, in the ball or not;
        ``follows`` over the successes, where the judge reads the target's new class; ``judge_accuracy``;
        ``joint_within`` so many queries.
    """
    judged = {judgement.index: judgement for judgement in judgements}
    known = [(result, judged[result.index]) for result in results if result.index in judged]
    attacked = [(result, judgement) for result, judgement in known if was_attacked(result)]
    flips = [(result, judgement) for result, judgement in attacked if is_flip(result)]
    successes = [(result, judgement) for result, judgement in flips if result.status == "success"]
    joint = [result for result, judgement in successes if is_joint(result, judgement)]
    right = [(result, judgement) for result, judgement in successes if judgement.original == result.label]

    def share(count: int, of: int) -> dict[str, Any]:
        return proportion(count, of, confidence)

    def kept(pairs: Sequence[tuple[ImageAttackResult, LabelJudgement]]) -> dict[str, Any]:
        return share(sum(keeps_label(result, judgement) for result, judgement in pairs), len(pairs))

    return {
        "joint": share(len(joint), len(attacked)),
        "joint_of_all": share(len(joint), len(results)),
        "joint_where_judge_right": share(len(joint), sum(j.original == r.label for r, j in attacked)),
        "kept": kept(successes),
        "kept_where_right": kept(right),
        "kept_raw": kept(flips),
        "follows": share(sum(j.adversarial == r.adversarial_prediction for r, j in successes), len(successes)),
        "judge_accuracy": share(sum(j.original == r.label for r, j in known), len(known)),
        "joint_within": {str(k): share(sum(r.queries <= k for r in joint), len(attacked)) for k in query_budgets},
    }


def _probabilities(judge: ImageTarget, images: Tensor, batch_size: int) -> list[list[float]]:
    rows: list[list[float]] = []
    for start in range(0, len(images), batch_size):
        rows += judge.predict(images[start : start + batch_size].float() / HIGHEST).tolist()
    return rows


def _best(row: Sequence[float], names: Sequence[str]) -> str:
    return names[max(range(len(names)), key=row.__getitem__)]
