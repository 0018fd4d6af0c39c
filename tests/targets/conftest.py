"""Targets of every kind, for what all of them promise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.targets.fakes import SMALL_CONFIGS, build_callable, build_word_level, save_tiny_bert
from textsem.protocols import Target
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.targets.metering import MeteredTarget
from textsem.targets.word_level import WordLevelTarget


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("bert"), names=("CONTRADICTION", "neutral", "Entailment"))


@pytest.fixture(params=["attention", "paper", "hugging face", "callable", "metered"])
def target(request: pytest.FixtureRequest, bert_folder: Path) -> Target:
    """Every kind of target, for what all of them promise."""
    builders: dict[str, Callable[[], Target]] = {
        "attention": lambda: build_word_level("attention"),
        "paper": lambda: build_word_level("paper"),
        "hugging face": lambda: HuggingFaceTarget(str(bert_folder), batch_size=16),
        "callable": build_callable,
        "metered": lambda: MeteredTarget(build_word_level("paper")),
    }
    return builders[request.param]()


@pytest.fixture(params=sorted(SMALL_CONFIGS))
def word_level(request: pytest.FixtureRequest) -> WordLevelTarget:
    """Every word-level architecture."""
    return build_word_level(request.param)
