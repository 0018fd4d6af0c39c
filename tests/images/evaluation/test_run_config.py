import math
from dataclasses import asdict, fields
from typing import Any

import pytest

from images_ext.evaluation.run_config import NOT_BINDING, AttackImagesConfig


def test_defaults_are_accepted_and_come_back_from_json_types() -> None:
    config = AttackImagesConfig(controls=["a", "b"])  # type: ignore[arg-type]
    assert AttackImagesConfig(**asdict(config)) == config
    assert config.ball().epsilon == 4.0
    anywhere = AttackImagesConfig(eps=math.inf)
    assert anywhere.eps is None
    assert math.isinf(anywhere.ball().epsilon)


def test_options_reach_the_parts() -> None:
    config = AttackImagesConfig(
        source="cone",
        decoding="residual",
        min_scale=0.2,
        max_scale=0.4,
        min_reach=0.3,
        max_reach=0.9,
        num_candidates=7,
        norm="rms",
        eps=0.1,
        seed=3,
    )
    moves = config.move_config(num_particles=9)
    assert (moves.direction, moves.output, moves.min_scale, moves.max_scale) == ("cone", "residual", 0.2, 0.4)
    assert (moves.min_reach, moves.max_reach) == (0.3, 0.9)
    assert (moves.num_particles, moves.seed) == (9, 3)
    assert AttackImagesConfig(num_particles=2).move_config(num_particles=9).num_particles == 2
    assert config.search_config().num_candidates == 7
    assert (config.ball().norm, config.ball().epsilon) == ("rms", 0.1)


def test_what_lines_do_not_depend_on_are_options() -> None:
    assert set(NOT_BINDING) <= {field.name for field in fields(AttackImagesConfig)}
    # Data and models are compared by their digests; nothing else may change what is found.
    assert set(NOT_BINDING) == {"data", "output", "resume", "device", "chunk_size", "judge", "controls"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "cifar"}, "dataset"),
        ({"split": "all"}, "split"),
        ({"attack": "song"}, "attack"),
        ({"access": "all"}, "access"),
        ({"source": "nowhere"}, "source"),
        ({"norm": "l1"}, "norm"),
        ({"eps": -1.0}, "epsilon"),
        ({"limit": -1}, "limit"),
        ({"max_queries": 0}, "max_queries"),
        ({"chunk_size": 0}, "chunk_size"),
        ({"num_candidates": 0}, "num_candidates"),
        ({"decoding": "both"}, "output"),
        ({"attack": "pgd", "access": "gradient", "eps": math.inf}, "eps and access gradient for pgd, got None"),
        ({"attack": "pgd", "access": "gradient", "norm": "rms"}, "norm linf or l2 for pgd, got rms"),
        ({"num_particles": 0}, "num_particles >= 1, got 0"),
        ({"attack": "pgd", "eps": 0.3}, "eps and access gradient for pgd, got 0.3 and score"),
    ],
)
def test_options_out_of_range_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttackImagesConfig(**changes)
