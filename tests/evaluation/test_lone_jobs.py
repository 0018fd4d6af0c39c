"""Jobs that one process does refuse to be done by several, before they write anything twice."""

from collections.abc import Callable
from typing import Any

import pytest

from textsem.evaluation.compare import compare_attacks
from textsem.evaluation.compare_decoders import compare_decoders
from textsem.evaluation.judged_folders import judge_folders
from textsem.evaluation.manifold_evidence import manifold_evidence
from textsem.evaluation.measure_augmentation import measure_augmentation
from textsem.processes import Processes


@pytest.mark.parametrize(
    "job", [compare_attacks, compare_decoders, judge_folders, manifold_evidence, measure_augmentation]
)
def test_several_processes_are_refused(job: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Processes, "current", lambda: Processes(1, 2))
    with pytest.raises(ValueError, match=r"expected one process for .*, got 2: run it without accelerate launch"):
        job(None)
