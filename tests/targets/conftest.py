"""Targets of every kind, for what all of them promise."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.targets.fakes import (
    SMALL_CONFIGS,
    build_callable,
    build_two_class_callable,
    build_word_level,
    save_tiny_bert,
)
from tests.targets.reference_server import Server, running, two_class
from textsem.protocols import Target
from textsem.targets.http import HttpTarget
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.targets.metering import MeteredTarget
from textsem.targets.word_level import WordLevelTarget


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("bert"), names=("CONTRADICTION", "neutral", "Entailment"))


@pytest.fixture(scope="session")
def two_class_bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("two-class-bert"), names=("not_entailment", "entailment"))


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[int, str]]:
    """Return where endpoints of three and of two classes listen."""
    with ExitStack() as stack:
        yield {n: stack.enter_context(running(server)).url for n, server in ((3, Server()), (2, Server(two_class)))}


KINDS = (
    *("attention", "paper", "hugging face", "callable", "http", "metered"),
    *(f"{kind} of two classes" for kind in ("hugging face", "callable", "http", "metered")),
)


@pytest.fixture(params=KINDS)
def target(
    request: pytest.FixtureRequest, bert_folder: Path, two_class_bert_folder: Path, addresses: dict[int, str]
) -> Target:
    """Every kind of target, for what all of them promise."""
    builders: dict[str, Callable[[], Target]] = {
        "attention": lambda: build_word_level("attention"),
        "paper": lambda: build_word_level("paper"),
        "hugging face": lambda: HuggingFaceTarget(str(bert_folder), batch_size=16),
        "hugging face of two classes": lambda: HuggingFaceTarget(str(two_class_bert_folder), batch_size=16),
        "callable": build_callable,
        "callable of two classes": build_two_class_callable,
        "http": lambda: HttpTarget(addresses[3], batch_size=16),
        "http of two classes": lambda: HttpTarget(addresses[2], batch_size=16),
        "metered": lambda: MeteredTarget(build_word_level("paper")),
        "metered of two classes": lambda: MeteredTarget(HttpTarget(addresses[2], batch_size=16)),
    }
    return builders[request.param]()


@pytest.fixture(params=sorted(SMALL_CONFIGS))
def word_level(request: pytest.FixtureRequest) -> WordLevelTarget:
    """Every word-level architecture."""
    return build_word_level(request.param)
