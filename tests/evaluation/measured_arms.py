"""Measurements of an augmentation experiment whose figures are known."""

from collections.abc import Mapping, Sequence
from typing import Any

ROWS = {"clean": 1000, "typos": 100, "swaps": 50}
ARMS = ("plain", "duplicates", "word dropout", "wordnet", "ours")
CLEAN = dict.fromkeys(ARMS, (800, 800, 800))
# Right of 100 rows under typos, seed by seed; under swaps as many of 50, so half as often.
UNSEEN = {
    "plain": (30, 32, 34),
    "duplicates": (30, 32, 34),
    "word dropout": (34, 34, 36),
    "wordnet": (34, 36, 38),
    "ours": (40, 42, 44),
}


def digits(right: int, rows: int) -> str:
    return "1" * right + "0" * (rows - right)


def measurements(
    unseen: Mapping[str, Sequence[int]] = UNSEEN, clean: Mapping[str, Sequence[int]] = CLEAN
) -> dict[str, Any]:
    """Return what ``measurements.json`` holds, given how many rows each seed of an arm has right.

    Of both unseen sets, 100 and 50 rows, the same number of hundredths is right.
    """
    return {
        "settings": {"seeds": [0, 1, 2], "num_epochs": 4, "machine": "a small one"},
        "arms": {
            arm: {
                "num_rows": 1500,
                "num_new": 500,
                "label_noise": {"judge": "judge", "rows": 100, "disagree": 10},
                "origins": {"neighbours": 500},
            }
            for arm in unseen
        },
        "sets": {
            name: {"kind": "clean" if name == "clean" else "unseen", "rows": rows, "source": f"{name}.parquet"}
            for name, rows in ROWS.items()
        },
        "right": {
            arm: {
                str(seed): {
                    "clean": digits(clean[arm][seed], 1000),
                    "typos": digits(right, 100),
                    "swaps": digits(right // 2, 50),
                }
                for seed, right in enumerate(counts)
            }
            for arm, counts in unseen.items()
        },
        "fresh": {
            arm: {
                str(seed): {
                    "textfooler": {
                        "pairs": 10,
                        "right_before": 8,
                        "right_under_attack": 6 if arm == "ours" else 4,
                        "valid": 1,
                        "right": digits(6 if arm == "ours" else 4, 10),
                    }
                }
                for seed in range(len(counts))
            }
            for arm, counts in unseen.items()
        },
        "training_seconds": {arm: {str(seed): 100.0 + seed for seed in range(len(unseen[arm]))} for arm in unseen},
        "cost": {
            "ms_a_row_with_filters": 31.25,
            "ms_a_row_without_filters": 9.0,
            "new_rows_a_pair": 0.5,
            "seconds_of_augmentation": 31.0,
            "share_of_training": 0.31,
        },
    }
