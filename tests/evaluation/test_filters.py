from typing import Any

import pytest

from textsem.attacks.selection import Shortlist
from textsem.constraints.margin import MarginConstraint
from textsem.evaluation.filters import FilterConfig, load_filters
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary
from textsem.targets.loading import BUNDLED_FOLDER


@pytest.fixture(autouse=True)
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)


def names(config: FilterConfig, model: TextAdversary) -> list[str]:
    return [step.name for step in load_filters(config, model).steps]


def test_filter_is_the_bundled_model_unless_that_is_under_attack() -> None:
    assert AttackSnliConfig(target="elsewhere").filter_config().filter_name() == "bundled"
    assert AttackSnliConfig(target="bundled").filter_config().filter_name() is None
    assert AttackSnliConfig(target="bundled", filter_model="mine").filter_config().filter_name() == "mine"
    assert AttackSnliConfig(target="elsewhere", filter_model="none").filter_config().filter_name() is None


def test_target_may_not_filter_its_own_candidates() -> None:
    with pytest.raises(ValueError, match="expected a filter model that is not the target"):
        AttackSnliConfig(target="bundled", filter_model="bundled")


def test_goal_flip_asks_for_fluency_alone(tiny_adversary: TextAdversary) -> None:
    assert names(AttackSnliConfig(target="x", goal="valid").filter_config(), tiny_adversary)[-1] == "margin"
    assert "margin" not in names(AttackSnliConfig(target="x", goal="flip").filter_config(), tiny_adversary)


def test_cheap_conditions_are_asked_before_dear_ones(tiny_adversary: TextAdversary) -> None:
    found = names(FilterConfig(filter_model="bundled"), tiny_adversary)
    assert found == [name for name in ("fluency", "margin", "similarity") if name in found]
    assert "margin" in found


def test_filter_is_asked_with_the_band_given(tiny_adversary: TextAdversary) -> None:
    filters = load_filters(FilterConfig(filter_model="bundled", margin_centre=0.5, margin_width=0.75), tiny_adversary)
    margin = filters.steps[-1]
    assert isinstance(margin, MarginConstraint)
    assert (margin.centre, margin.width) == (0.5, 0.75)
    assert filters.identity["filter_model"]["name"] == "bundled"
    assert filters.ranker is not None


def test_bundled_model_draws_up_the_shortlist_for_a_filter_of_ones_own(tiny_adversary: TextAdversary) -> None:
    filters = load_filters(FilterConfig(filter_model=str(BUNDLED_FOLDER), shortlist=7), tiny_adversary)
    shortlist = next(step for step in filters.steps if isinstance(step, Shortlist))
    assert shortlist.size == 7
    assert [step.name for step in filters.steps][-1] == "margin"
    assert set(filters.identity) == {"shortlist_model", "filter_model"}
    assert not any(isinstance(constraint, Shortlist) for constraint in filters.constraints)


@pytest.mark.parametrize("change", [{"margin_width": 0.0}, {"margin_width": float("nan")}, {"goal": "fame"}])
def test_option_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected (margin_width|goal)"):
        AttackSnliConfig(**change)


def test_bundled_target_under_attack_is_asked_nothing_by_the_filters(tiny_adversary: TextAdversary) -> None:
    config = FilterConfig(filter_model=str(BUNDLED_FOLDER), is_bundled_target=True)
    filters = load_filters(config, tiny_adversary)
    assert set(filters.identity) == {"filter_model"}
    assert not any(isinstance(step, Shortlist) for step in filters.steps)
