"""Is the gain of augmentation there?  Said first, in words, and naming the arms that it is not above."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textsem.evaluation.augmentation_statistics import (
    ArmComparison,
    Digits,
    accuracies,
    compare_arms,
    compare_with_others,
    set_groups,
)
from textsem.runs.formats import percent, points

__all__ = [
    "CLEAN",
    "CLEAN_LOSS",
    "PLAIN",
    "UNSEEN",
    "Gain",
    "judge_gain",
    "missing_parts",
    "other_arms",
    "our_arms",
    "verdict",
]

PLAIN = "plain"
# Without each of these beside it no gain is claimed.
EXPECTED = (PLAIN, "duplicates", "word dropout", "wordnet")
CLEAN, UNSEEN = "clean", "unseen"
CLEAN_LOSS = 0.005  # what clean accuracy may lose, share
SIGNIFICANT = 0.05
_ROUNDING = 1e-9

Measurements = Mapping[str, Any]


@dataclass(frozen=True)
class Gain:
    """What is said of one arm of ours.

    Args:
        arm: Its name.
        holds: Whether it is above plain and every control under unseen attacks, beyond the spread over seeds, and keeps
            clean accuracy; None if nothing speaks against it, but not everything was measured.
        sentence: Says so.
    """

    arm: str
    holds: bool | None
    sentence: str


def our_arms(measured: Measurements) -> list[str]:
    """Return the arms that are ours: by name, or because the settings say that their rows were augmented."""
    augmented = measured.get("settings", {}).get("augmented") or ()
    return [arm for arm in measured["arms"] if arm.startswith("ours") or arm in augmented]


def other_arms(measured: Measurements) -> list[str]:
    """Return plain and the controls, those first without which no gain is claimed."""
    found = [arm for arm in measured["arms"] if arm not in our_arms(measured)]
    return [arm for arm in EXPECTED if arm in found] + [arm for arm in found if arm not in EXPECTED]


def judge_gain(measured: Measurements, arm: str) -> Gain:
    """Hold one arm of ours against plain and the controls.

    Beyond the spread means: its lowest seed is above the highest seed of the other arm.
    """
    groups, right = set_groups(measured["sets"]), measured["right"]
    own = accuracies(right.get(arm, {}), groups.get(UNSEEN, [])) if UNSEEN in groups else None
    if own is None:
        return Gain(arm, None, f"Nothing can be said of {arm}: it was not measured under unseen attacks.")
    others = list(dict.fromkeys([*EXPECTED, *other_arms(measured)]))
    found = {other: compare_arms(right[arm], right.get(other, {}), groups[UNSEEN]) for other in others}
    measured_ones = {other: result for other, result in found.items() if result is not None}
    behind = {other: result for other, result in measured_ones.items() if result.difference <= _ROUNDING}
    ahead = {other: result for other, result in measured_ones.items() if other not in behind}
    within = {other: result for other, result in ahead.items() if result.is_beyond_seeds is False}
    clean = compare_arms(right[arm], right.get(PLAIN, {}), groups[CLEAN]) if CLEAN in groups else None
    complaints = [
        *([f"under unseen attacks {arm} ({percent(own.mean)}) is not above {_listed(behind)}"] if behind else []),
        *([f"{arm} ({percent(own.mean)}) is above {_listed(within)} only within the spread over seeds"] * bool(within)),
        *(
            [f"clean accuracy of {arm} is {_fine(clean.difference)} points beside plain, a loss of more than 0.5"]
            if clean is not None and _is_lost(clean)
            else []
        ),
    ]
    if complaints:
        return Gain(arm, False, f"The gain is not there: {'; '.join(complaints)}.")
    unknown = [other for other, result in found.items() if result is None]
    single = [other for other, result in ahead.items() if result.is_beyond_seeds is None]
    gaps = [
        *([f"not measured under unseen attacks: {', '.join(unknown)}"] if unknown else []),
        *([f"a single seed on a side, so no spread, beside {', '.join(single)}"] if single else []),
        *([f"clean accuracy of {arm} or {PLAIN} was not measured"] if clean is None else []),
    ]
    if gaps:
        return Gain(arm, None, f"Whether {arm} brings a gain is not decided: {'; '.join(gaps)}.")
    return Gain(
        arm,
        True,
        f"The gain is there: under unseen attacks {arm} ({percent(own.mean)}, lowest seed {percent(own.low)}) is above "
        f"{_listed(ahead)}, beyond the spread over seeds, and clean accuracy is no more than 0.5 points below plain.",
    )


def verdict(measured: Measurements) -> str:
    """Say first whether the gain is there, then how large it is and what else must be known of it, as Markdown."""
    ours = our_arms(measured)
    if not ours:
        return "**Nothing can be said: no arm of ours was measured.**"
    first, *more = ours
    lines = [f"**{judge_gain(measured, first).sentence}**", "", *_details(measured, first)]
    if more:
        lines += [
            "",
            "Further arms of ours (the more are tried on the same test sets, the less the best one says):",
            "",
        ]
        for arm in more:
            lines += [" ".join([f"- {judge_gain(measured, arm).sentence}", *_sizes(measured, arm)])]
    return "\n".join(lines).rstrip()


def missing_parts(measured: Measurements) -> list[str]:
    """Return what was not measured, a line each; none where everything was."""
    right, sets = measured["right"], measured["sets"]
    given = [str(seed) for seed in measured.get("settings", {}).get("seeds") or ()]
    seeds = given or sorted({seed for found in right.values() for seed in found})
    lines = [f"{arm}: no such arm" for arm in EXPECTED if arm not in measured["arms"]]
    lines += [f"no set of kind {kind}" for kind in (CLEAN, UNSEEN) if kind not in set_groups(sets)]
    for arm in measured["arms"]:
        absent = [seed for seed in seeds if seed not in right.get(arm, {})]
        if absent:
            lines.append(f"{arm}: {len(seeds) - len(absent)} of {len(seeds)} seeds ({', '.join(absent)} not yet)")
        for seed, found in right.get(arm, {}).items():
            gaps = [name for name in sets if not found.get(name)]
            lines += [f"{arm}, seed {seed}: not on {', '.join(gaps)}"] if gaps else []
    fresh = measured.get("fresh") or {}
    attacks = sorted({attack for found in fresh.values() for one in found.values() for attack in one})
    if not attacks:
        lines.append("no arm was attacked afresh")
    for attack in attacks:
        gaps = [f"{arm} {seed}" for arm in measured["arms"] for seed in seeds if attack not in _at(fresh, arm, seed)]
        lines += [f"{attack} afresh: not on {', '.join(gaps)}"] if gaps else []
    unjudged = [arm for arm, described in measured["arms"].items() if not described.get("label_noise")]
    lines += [f"no label noise of {', '.join(unjudged)}"] if unjudged else []
    return lines + ([] if measured.get("cost") else ["no cost"])


def _details(measured: Measurements, arm: str) -> list[str]:
    """Return the sentences behind the verdict as list items."""
    groups, right = set_groups(measured["sets"]), measured["right"]
    others = other_arms(measured)
    lines = [f"- {size}" for size in _sizes(measured, arm)]
    for name, names in groups.items():
        kinds = {measured["sets"][one]["kind"] for one in names}
        if name in (CLEAN, UNSEEN) or "other" in kinds:
            continue
        found = {other: compare_arms(right.get(arm, {}), right.get(other, {}), names) for other in others}
        short = {other: result for other, result in found.items() if result and not result.is_beyond_seeds}
        beaten = (
            f"not above {_listed(short)} beyond the spread over seeds"
            if short
            else "above every other arm beyond the spread over seeds"
        )
        lines += [f"- {name}: {arm} is {beaten}."] if any(found.values()) else []
    losses = _losses(right, arm, others, groups.get(UNSEEN, []))
    lines += [f"- One unseen attack at a time {arm} is not above: {'; '.join(losses)}."] if losses else []
    tested = compare_with_others(right, arm, others, groups[UNSEEN]) if UNSEEN in groups else {}
    unsure = [
        f"{other} (p {result.adjusted_p_value:.3f})"
        for other, result in tested.items()
        if result is not None and result.adjusted_p_value is not None and result.adjusted_p_value >= SIGNIFICANT
    ]
    if unsure:
        lines.append(f"- The paired test over the rows of unseen attacks does not tell {arm} from {', '.join(unsure)}.")
    return lines


def _sizes(measured: Measurements, arm: str) -> list[str]:
    """Say how far an arm is from plain under unseen attacks and on clean pairs."""
    groups, right = set_groups(measured["sets"]), measured["right"]
    sizes = []
    for name, what in ((UNSEEN, "Under unseen attacks"), (CLEAN, "Clean accuracy")):
        found = compare_arms(right.get(arm, {}), right.get(PLAIN, {}), groups[name]) if name in groups else None
        if found is not None:
            low, high = map(points, found.interval)
            aim = "to lose no more than 0.5" if name == CLEAN else "5 to 10"
            sizes.append(
                f"{what}: {percent(found.first.mean)} against {percent(found.second.mean)} of plain, "
                f"{_fine(found.difference)} points (95% over the rows {low} to {high}); the aim was {aim}."
            )
    return sizes


def _losses(right: Mapping[str, Digits], arm: str, others: Sequence[str], attacks: Sequence[str]) -> list[str]:
    """Return under each attack the arms that ours is not above, by the means over seeds."""
    lines = []
    for attack in attacks:
        own = accuracies(right.get(arm, {}), [attack])
        found = {other: accuracies(right.get(other, {}), [attack]) for other in others}
        names = [other for other, one in found.items() if own and one and own.mean - one.mean <= _ROUNDING]
        lines += [f"{', '.join(names)} under {attack}"] if names else []
    return lines


def _is_lost(clean: ArmComparison) -> bool:
    return clean.difference < -CLEAN_LOSS - _ROUNDING


def _fine(difference: float) -> str:
    """Write points with a second decimal, where one would round across the bound of 0.5."""
    return f"{100 * difference:+.2f}".replace("-", "\u2212")


def _at(fresh: Mapping[str, Any], arm: str, seed: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = fresh.get(arm, {}).get(seed, {})
    return found


def _listed(found: Mapping[str, ArmComparison]) -> str:
    return ", ".join(
        f"{other} ({percent(one.second.mean)}, highest {percent(one.second.high)})" for other, one in found.items()
    )
