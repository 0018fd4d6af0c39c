"""The codes of a run's own hypotheses, found again from its lines."""

from collections.abc import Iterable
from itertools import islice

from textsem.evaluation.codes import MeasuredCodes, measure_codes
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.text.labels import GOLD_NAMES

__all__ = ["codes_of_lines"]

NUM_LINES = 10_000  # among so many are the few hundred whose codes are measured


def codes_of_lines(
    model: TextAdversary, results: Iterable[AttackResult], *, num_particles: int, seed: int
) -> MeasuredCodes | None:
    """Measure how far E' moves the codes of the first hypotheses; see ``measure_codes``.

    Args:
        model: The adversary.
        results: Lines of a run; those without a gold label are left out, and all after the first 10,000.
        num_particles: M.
        seed: Draws the particles.

    Returns:
        None if no hypothesis fits.
    """
    known = [(r.hypothesis, GOLD_NAMES.index(r.label)) for r in islice(results, NUM_LINES) if r.label in GOLD_NAMES]
    return measure_codes(
        model,
        [hypothesis for hypothesis, _ in known],
        [label for _, label in known],
        num_particles=num_particles,
        seed=seed,
    )
