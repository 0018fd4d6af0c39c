"""One run on images held against others on the same images: is E' above its controls?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from images_ext.evaluation.finished_run import was_attacked
from images_ext.evaluation.judged_folders import JudgedRun
from textsem.runs.comparison import compare_paired, compare_proportions
from textsem.runs.two_samples import holm

__all__ = ["Rivalry", "rivalries"]

SIGNIFICANT = 0.05
BALL = ("norm", "eps")
# METHOD's section 6: a control has the same number of candidates, queries and filters.
ALIKE = (
    *("access", *BALL, "max_queries", "project", "filter_lead", "first_filter_lead", "decoding"),
    *("num_candidates", "min_reach", "max_reach", "min_scale", "max_scale", "num_particles"),
)


@dataclass(frozen=True)
class Rivalry:
    """One run held against another on the same images, pair by pair.

    Args:
        name: Of the other run.
        is_control: Whether it is a control of METHOD's section 6.
        counts: ``joint`` where both runs were judged, else ``success``.
        difference: Rate of this run minus the other's.
        interval: Newcombe's 95% interval of the difference, as if the samples were independent: the cautious one.
        only_own: Images on which this run alone succeeded.
        only_other: The other way round.
        p_value: McNemar's exact test, adjusted after Holm for the number of other runs.
        is_above: Whether this run has more successes, at p below 0.05.
        unlike: Options and models in which the other run differs though it should not: the ball, and for a control
            whatever else decides what is asked.
    """

    name: str
    is_control: bool
    counts: str
    difference: float
    interval: tuple[float, float]
    only_own: int
    only_other: int
    p_value: float
    is_above: bool
    unlike: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "interval": list(self.interval), "unlike": list(self.unlike)}


def rivalries(own: JudgedRun, others: Sequence[JudgedRun], *, within: int | None = None) -> list[Rivalry]:
    """Hold a run against others on the same images and target.

    Args:
        own: The run.
        others: What it is held against.
        within: Only successes within so many queries count; None for all of them.

    Raises:
        ValueError: If another run saw other images or another target, or was judged by another judge.
    """
    attacked = [result.index for result in own.run.results if was_attacked(result)]
    if not attacked:
        return []
    for other in others:
        _check_same(own, other)
    sides = [_sides(own, other, attacked, within) for other in others]
    paired = [compare_paired(first, second) for _, first, second in sides]
    adjusted = holm([found.p_value for found in paired])
    n = len(attacked)
    return [
        Rivalry(
            name=other.run.name,
            is_control=other.run.is_control,
            counts=counts,
            difference=found.difference,
            interval=compare_proportions(sum(first), n, sum(second), n).interval,
            only_own=found.only_first,
            only_other=found.only_second,
            p_value=p,
            is_above=p < SIGNIFICANT and found.difference > 0,
            unlike=_unlike(own, other),
        )
        for other, (counts, first, second), found, p in zip(others, sides, paired, adjusted, strict=True)
    ]


def _sides(
    own: JudgedRun, other: JudgedRun, attacked: Sequence[int], within: int | None
) -> tuple[str, list[bool], list[bool]]:
    """Return what counts, and on which of the attacked images each of two runs has it."""
    if own.joint is None or other.joint is None:
        counts, first, second = "success", own.successes, other.successes
    else:
        counts, first, second = "joint", own.joint, other.joint
    sides = [
        [i in side and (within is None or run.run.results[i].queries <= within) for i in attacked]
        for run, side in ((own, first), (other, second))
    ]
    return counts, sides[0], sides[1]


def _unlike(own: JudgedRun, other: JudgedRun) -> tuple[str, ...]:
    names = ALIKE if other.run.is_control else BALL
    found = [name for name in names if own.run.settings.get(name) != other.run.settings.get(name)]
    if other.run.is_control:
        found += [role for role in ("adversary", "filter_model") if _digests(own, role) != _digests(other, role)]
    return tuple(found)


def _digests(run: JudgedRun, role: str) -> list[str]:
    models = run.run.summary.get("model") or {}
    return sorted(str(model["sha256"]) for name, model in models.items() if name.startswith(role))


def _check_same(own: JudgedRun, other: JudgedRun) -> None:
    seen = [[(r.label, r.prediction) for r in run.run.results] for run in (own, other)]
    if seen[0] != seen[1] or not own.run.inputs.equal(other.run.inputs):
        raise ValueError(
            f"expected a run on the same images and target as {own.run.folder} in {other.run.folder}, got other ones"
        )
    judges = [None if run.kept is None else run.kept["judge"]["sha256"] for run in (own, other)]
    if None not in judges and judges[0] != judges[1]:
        raise ValueError(f"expected the judge of {own.run.folder} for {other.run.folder} too, got another one")
