"""What a verification finds: differences, and how many items of a check had none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["TOLERANCE", "Check", "Difference", "Verification", "compare_figures", "verification_table"]

# Figures are sums, quotients and roots of the same doubles; another machine's logarithm may round otherwise.
FIGURE_TOLERANCE = 1e-9
# Of probabilities and distances: half a unit of the fifth decimal, and 1e-6, eight roundings of a float32 near 1.
TOLERANCE = 0.5e-5 + 1e-6
NUM_SHOWN = 20


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was written.

    Args:
        where: The line ("line 3", counted from 0 as ``index`` is) or the file.
        field: Name, nested ones with dots.
        written: What stands there.
        found: What was found now.
    """

    where: str
    field: str
    written: Any
    found: Any

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.where}, {self.field}: written {self.written!r}, found {self.found!r}"


@dataclass(frozen=True)
class Check:
    """One kind of check over many items.

    Args:
        name: What was compared.
        num_items: How many lines or figures.
        differences: In the order of the items.
    """

    name: str
    num_items: int
    differences: tuple[Difference, ...]

    @property
    def num_reproduced(self) -> int:
        """Items without a difference."""
        is_line = all(difference.where.startswith("line ") for difference in self.differences)
        wrong = {d.where for d in self.differences} if is_line else {(d.where, d.field) for d in self.differences}
        return max(self.num_items - len(wrong), 0)


@dataclass(frozen=True)
class Verification:
    """What was checked.

    Args:
        checks: In the order in which they were made.
        not_checked: What could not be, and why.
        tolerance: See ``VerificationConfig``.
    """

    checks: tuple[Check, ...]
    not_checked: tuple[str, ...]
    tolerance: float

    @property
    def differences(self) -> list[Difference]:
        """All that is not as it was written."""
        return [difference for check in self.checks for difference in check.differences]


def compare_figures(
    name: str, where: str, written: Mapping[str, Any], found: Mapping[str, Any], *, tolerance: float = FIGURE_TOLERANCE
) -> Check:
    """Compare all that ``found`` holds with what is written under the same names, however deep.

    Args:
        name: Of the check.
        where: The file that differences are named after.
        written: Mappings, sequences and plain values; what ``found`` does not name is not compared.
        found: The same, computed now.
        tolerance: Relative, of floats.
    """
    expected = _leaves(found)
    actual = _leaves({key: written[key] for key in found if key in written})
    differences = [
        Difference(where, field, actual.get(field, "nothing"), expected.get(field, "nothing"))
        for field in dict.fromkeys([*expected, *actual])
        if field not in actual or field not in expected or not _is_same(actual[field], expected[field], tolerance)
    ]
    return Check(name, len({*expected, *actual}), tuple(differences))


def _leaves(value: Any, field: str = "") -> dict[str, Any]:
    children = dict(enumerate(value)) if isinstance(value, list | tuple) else value
    if not isinstance(children, Mapping) or not children:
        return {field: value}
    found: dict[str, Any] = {}
    for key, child in children.items():
        found |= _leaves(child, f"{field}.{key}" if field else str(key))
    return found


def _is_same(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, float) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=tolerance)
    return bool(a == b)


def verification_table(verification: Verification) -> str:
    """Return what was checked, in Markdown, then what was not, then the first differences."""
    rows = [
        (check.name, check.num_items, check.num_reproduced, _share(check.num_reproduced, check.num_items))
        for check in verification.checks
    ]
    total, reproduced = sum(row[1] for row in rows), sum(row[2] for row in rows)
    rows.append(("all", total, reproduced, _share(reproduced, total)))
    lines = ["| checked | items | reproduced | share |", "| --- | ---: | ---: | ---: |"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    reason = " (half a unit of the fifth decimal, and 1e-6)" if verification.tolerance == TOLERANCE else ""
    lines += [
        "",
        f"Probabilities and distances may differ by {verification.tolerance:.2g}{reason} from what is written.",
    ]
    lines += [f"Not checked: {note}." for note in verification.not_checked]
    wrong = verification.differences
    lines += [f"Different: {difference}" for difference in wrong[:NUM_SHOWN]]
    if len(wrong) > NUM_SHOWN:
        lines.append(f"... and {len(wrong) - NUM_SHOWN} more")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "-"
