"""The attacks of one adversary among several: E' and its controls, each run once, judged once, and in figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from textsem.evaluation.compare_runs import PeersPlace, Runner, Scene
from textsem.evaluation.compare_tables import NEAR_BUDGET, attack_row
from textsem.evaluation.judges import Judgement
from textsem.evaluation.judging import Jury, judgements_of
from textsem.evaluation.results import RESULTS_NAME, read_results
from textsem.evaluation.smoothness_sources import median_interval
from textsem.evaluation.validity_conditions import attacked_pairs, is_flip, is_valid
from textsem.outputs import AttackResult
from textsem.runs.comparison import compare_paired
from textsem.runs.intervals import proportion

__all__ = ["CONTROLS", "OWN", "JudgedPairs", "attack_figures", "compare_with", "run_attacks", "scoring_judge"]

OWN = "ours"  # E', by the name that it has among the attacks of ``compare_attacks``
CONTROLS = ("isotropic", "clean", "neighbours", "reconstruction")

JudgedPairs = tuple[Sequence[AttackResult], list[Judgement]]


def run_attacks(
    scene: Scene, folder: Path, controls: Sequence[str], jury: Jury, *, show_progress: bool = False
) -> dict[str, JudgedPairs]:
    """Run what is not finished, each attack into the folder of its name, and judge what is not judged.

    Args:
        scene: Adversary, target, pairs, options.
        folder: Of this adversary.
        controls: From ``CONTROLS``.
        jury: Who judges.
        show_progress: Draw a progress bar for each attack on standard error.

    Returns:
        The lines of E' and of each control, and the judgements of them.
    """
    runner = Runner(scene, PeersPlace("", ""), folder)
    found: dict[str, JudgedPairs] = {}
    for name in (OWN, *controls):
        runner.run(name, show_progress=show_progress)
        results = read_results(folder / name / RESULTS_NAME)
        found[name] = results, judgements_of(folder / name, results, jury)
    return found


def scoring_judge(jury: Jury) -> str:
    """Return the name of the judge whose labels count."""
    return next(iter(jury.judges))


def attack_figures(name: str, pairs: JudgedPairs, jury: Jury) -> dict[str, Any]:
    """Return an attack's figures as plain JSON types.

    Args:
        name: Of the attack.
        pairs: Its lines and judgements.
        jury: Who judged them.

    Returns:
        What ``attack_row`` says without its times; ``flips_within_20``; and, of flips and of valid successes each, the
        medians of perplexity ratio (with its interval), similarity and words changed.

    Raises:
        ValueError: If a judgement is missing, or similarity or fluency of a flip was not measured.
    """
    judge, thresholds = scoring_judge(jury), jury.thresholds
    row = attack_row(name, *pairs, judge=judge, thresholds=thresholds, pairs_per_second=None)
    attacked = attacked_pairs(*pairs)
    flips = [pair for pair in attacked if is_flip(pair[0])]
    valid = [pair for pair in flips if is_valid(*pair, judge, thresholds)]
    near = sum(result.queries <= NEAR_BUDGET for result, _ in flips)
    return {
        **{key: value for key, value in row.items() if key != "pairs_per_second"},
        f"flips_within_{NEAR_BUDGET}": proportion(near, len(attacked), 0.95),
        "texts_of_flips": _texts(flips),
        "texts_of_valid": _texts(valid),
    }


def compare_with(own: JudgedPairs, other: JudgedPairs, jury: Jury) -> dict[str, Any] | None:
    """Hold two attacks on the same pairs and target against each other by McNemar's exact test.

    Returns:
        ``flips`` and ``valid`` (see ``PairedComparison``); None where the target had no pair right.

    Raises:
        ValueError: If the two were not run on the same pairs.
    """
    sides = [attacked_pairs(*own), attacked_pairs(*other)]
    if [result.index for result, _ in sides[0]] != [result.index for result, _ in sides[1]]:
        raise ValueError("expected attacks on the same pairs and target, got others")
    if not sides[0]:
        return None
    flips = [[is_flip(result) for result, _ in side] for side in sides]
    valid = [[is_valid(*pair, scoring_judge(jury), jury.thresholds) for pair in side] for side in sides]
    return {"flips": asdict(compare_paired(*flips)), "valid": asdict(compare_paired(*valid))}


def _texts(pairs: Sequence[tuple[AttackResult, Judgement]]) -> Mapping[str, Any]:
    """Return medians over adversarial hypotheses; None where there is none."""
    ratios = [j.perplexity_ratio for _, j in pairs if j.perplexity_ratio is not None]
    similarities = [j.similarity for _, j in pairs if j.similarity is not None]
    edits = [r.edits for r, _ in pairs if r.edits is not None]
    return {
        "n": len(pairs),
        "median_ratio": median(ratios) if ratios else None,
        "median_ratio_interval": median_interval(ratios),
        "median_similarity": median(similarities) if similarities else None,
        "median_changed_words": median(edits) if edits else None,
    }
