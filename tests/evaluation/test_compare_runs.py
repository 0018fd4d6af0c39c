import pytest

from textsem.evaluation.compare_runs import _depends_on


@pytest.mark.parametrize(
    ("name", "constraints", "roles"),
    [
        ("textattack:pwws", [], {"target", "sentence_encoder"}),
        ("textattack:genetic", [], {"target", "sentence_encoder", "adversary"}),
        ("natural-stochastic", [], {"target", "sentence_encoder", "adversary"}),
        ("textattack:pwws", ["fluency"], {"target", "sentence_encoder", "adversary", "filter_model"}),
        ("adversarial", None, {"target", "sentence_encoder", "adversary", "filter_model"}),
    ],
)
def test_finished_run_counts_only_with_the_models_it_depends_on(
    name: str, constraints: list[str] | None, roles: set[str]
) -> None:
    settings = {"candidates_from": name} | ({} if constraints is None else {"constraints": constraints})
    every = ("adversary", "target", "sentence_encoder", "filter_model")
    assert {role for role in every if _depends_on(role, settings)} == roles
