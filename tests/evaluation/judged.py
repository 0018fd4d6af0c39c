"""Ten pairs of a made-up run, and what two judges, an encoder and a language model say about them."""

from dataclasses import replace

from textsem.evaluation.judges import Judgement
from textsem.outputs import AttackResult

NEUTRAL, ENTAILED = "neutral", "entailment"
RIGHT = AttackResult(0, "People run.", "A man sleeps.", NEUTRAL, NEUTRAL, "failed", queries=100)
FLIP = replace(
    RIGHT,
    status="success",
    adversarial="A woman sleeps.",
    adversarial_prediction=ENTAILED,
    queries=4,
    distance=0.7,
    edits=1,
)


def judged(
    before: str = NEUTRAL,
    after: str | None = NEUTRAL,
    *,
    second: tuple[str, str] = (NEUTRAL, NEUTRAL),
    similarity: float = 0.9,
    ratio: float = 1.2,
    has_new_unknown: bool = False,
) -> Judgement:
    if after is None:
        return Judgement(0, {"first": before, "second": second[0]})
    labels = ({"first": before, "second": second[0]}, {"first": after, "second": second[1]})
    return Judgement(0, *labels, similarity, ratio, has_new_unknown)


def ten_lines() -> tuple[list[AttackResult], list[Judgement]]:
    """Return nine attacked pairs, seven of which fall: one validly, one at both thresholds, five for five reasons."""
    lines = [
        (FLIP, judged()),
        (replace(FLIP, queries=30, adversarial="A woman rests.", edits=2), judged(similarity=0.8, ratio=2.0)),
        (replace(FLIP, adversarial="A man, sleeps!", edits=0), judged()),
        (replace(FLIP, adversarial="A man sleeps deeply."), judged(before=ENTAILED, second=(NEUTRAL, ENTAILED))),
        (FLIP, judged(after=ENTAILED)),
        (FLIP, judged(similarity=0.79, ratio=2.5)),
        (FLIP, judged(has_new_unknown=True, similarity=0.72)),
        (RIGHT, judged(after=None)),
        (replace(RIGHT, status="unsupported", queries=0), judged(before=ENTAILED, after=None)),
        (replace(RIGHT, status="skipped", label=ENTAILED, queries=0), judged(after=None)),
    ]
    results = [replace(result, index=i) for i, (result, _) in enumerate(lines)]
    return results, [replace(judgement, index=i) for i, (_, judgement) in enumerate(lines)]
