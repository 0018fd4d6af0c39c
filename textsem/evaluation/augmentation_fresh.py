"""One model of the augmentation experiment attacked afresh, by ours and by peers, as a comparison does it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textsem.evaluation.compare import CompareConfig, compare_attacks
from textsem.evaluation.results import RESULTS_NAME, read_results
from textsem.outputs import AttackResult
from textsem.text.labels import agree

__all__ = ["attack_afresh", "withstood"]


def attack_afresh(attacks: Sequence[str], options: Mapping[str, Any], model: Path, folder: Path) -> dict[str, Any]:
    """Return by attack how a model held out.

    Args:
        attacks: Names of ``scripts/compare_attacks.py``.
        options: Of ``CompareConfig``, ``judges`` and ``peers_script`` among them.
        model: Who is attacked.
        folder: Of the comparison; what is finished there is not run again.

    Raises:
        ValueError: If an option, the data or a model does not fit.
        PeerError: If a peer's process fails.
    """
    given = {"attacks": tuple(attacks), "target": str(model), "output": str(folder)}
    rows = compare_attacks(CompareConfig(**{**options, **given}))["rows"]
    valid = {row["attack"]: row["valid"]["count"] for row in rows}
    found = {}
    for attack in attacks:
        results = read_results(folder / attack / RESULTS_NAME)
        found[attack] = {
            "pairs": len(results),
            "right_before": sum(agree(result.label, result.prediction) for result in results),
            **withstood(results),
            "valid": valid.get(attack),
        }
    return found


def withstood(results: Sequence[AttackResult]) -> dict[str, Any]:
    """Return a digit for each pair, 1 where the model was right before and did not flip, and their number.

    A pair that the attack does not take, or on which it fails, has withstood it.
    """
    right = "".join(
        "1" if agree(result.label, result.prediction) and result.status != "success" else "0" for result in results
    )
    return {"right_under_attack": right.count("1"), "right": right}
