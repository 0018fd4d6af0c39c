"""The first sentence where a judge was asked."""

from dataclasses import replace
from typing import Any

import pytest

from tests.evaluation.judged import ENTAILED, FLIP, RIGHT, judged
from textsem.evaluation.headline import headline
from textsem.evaluation.metrics import summarise
from textsem.evaluation.validity import summarise_validity


def run(valid: int, flips: int = 60, attacked: int = 100, **missing: Any) -> dict[str, Any]:
    lines = [(FLIP, judged())] * valid + [(FLIP, judged(after=ENTAILED))] * (flips - valid)
    lines += [(RIGHT, judged(after=None))] * (attacked - flips)
    results = [replace(result, index=i) for i, (result, _) in enumerate(lines)]
    judgements = [replace(judgement, index=i, **missing) for i, (_, judgement) in enumerate(lines)]
    return {**summarise(results), "validity": summarise_validity(results, judgements)}


def test_valid_success_leads_and_flips_follow() -> None:
    assert headline(run(30)) == (
        "30 of 100 pairs that the target had right fell to a valid attack: 30.0% (21.9% to 39.6%), 95% interval, "
        "judged by \u201cfirst\u201d; the target's label flipped on 60.0%."
    )


def test_control_is_beaten_or_not_by_valid_success_alone() -> None:
    many_flips, as_valid = run(2, flips=95), run(25, flips=26)
    assert ", above every control; the" in headline(run(30), {"clean": many_flips})
    said = headline(run(30), {"clean": many_flips, "isotropic": as_valid})
    assert said.startswith("The method is not above its control by valid success: 30.0% (21.9% to 39.6%)")
    assert "25.0% (17.5% to 34.3%) with \u201cisotropic\u201d; 95%" in said
    assert "clean" not in said
    assert "2 of its controls" in headline(run(2), {"clean": many_flips, "isotropic": as_valid})


def test_what_cannot_be_stated_is_not_stated() -> None:
    unstated = run(30, similarity=None)
    said = headline(unstated)
    assert said.startswith("60 of 100 pairs that the target had right fell: 60.0%")
    assert said.endswith("Valid success cannot be stated: 60 of 60 flips were not measured for similarity in meaning "
                         "(no sentence encoder).")  # fmt: skip
    assert "cannot be stated" in headline(run(30), {"clean": unstated})


def test_control_that_nobody_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a judgement of every control"):
        headline(run(30), {"clean": {**run(2), "validity": None}})
