from typing import Any

import pytest

from textsem.constraints.agreement import AgreementConstraint
from textsem.evaluation.filters import FilterConfig, load_filters
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary


@pytest.fixture(autouse=True)
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)


def names(config: FilterConfig, model: TextAdversary) -> list[str]:
    return [constraint.name for constraint in load_filters(config, model).constraints]


def test_filter_is_the_bundled_model_unless_that_is_under_attack() -> None:
    assert AttackSnliConfig(target="elsewhere").filter_config().filter_name() == "bundled"
    assert AttackSnliConfig(target="bundled").filter_config().filter_name() is None
    assert AttackSnliConfig(target="bundled", filter_model="mine").filter_config().filter_name() == "mine"
    assert AttackSnliConfig(target="elsewhere", filter_model="none").filter_config().filter_name() is None


def test_target_may_not_filter_its_own_candidates() -> None:
    with pytest.raises(ValueError, match="expected a filter model that is not the target"):
        AttackSnliConfig(target="bundled", filter_model="bundled")


def test_goal_flip_asks_for_fluency_alone(tiny_adversary: TextAdversary) -> None:
    assert names(AttackSnliConfig(target="x", goal="valid").filter_config(), tiny_adversary)[-1] == "agreement"
    assert "agreement" not in names(AttackSnliConfig(target="x", goal="flip").filter_config(), tiny_adversary)


def test_cheap_conditions_are_asked_before_dear_ones(tiny_adversary: TextAdversary) -> None:
    found = names(FilterConfig(filter_model="bundled"), tiny_adversary)
    assert found == [name for name in ("fluency", "similarity", "agreement") if name in found]
    assert "agreement" in found


def test_agreement_is_asked_at_the_threshold_given(tiny_adversary: TextAdversary) -> None:
    filters = load_filters(FilterConfig(filter_model="bundled", min_agreement=0.75), tiny_adversary)
    agreement = filters.constraints[-1]
    assert isinstance(agreement, AgreementConstraint)
    assert agreement.min_probability == 0.75
    assert filters.identity["filter_model"]["name"] == "bundled"


@pytest.mark.parametrize("change", [{"min_agreement": 0.0}, {"min_agreement": 1.5}, {"goal": "fame"}])
def test_option_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected (min_agreement|goal)"):
        AttackSnliConfig(**change)
