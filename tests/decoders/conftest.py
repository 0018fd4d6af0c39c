"""Tiny language models of each family, as folders and as decoders."""

from pathlib import Path

import pytest

from tests.decoders.tiny_language_models import FAMILIES, load, save_tiny_language_model
from textsem.decoders.pretrained import PretrainedDecoder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save_tiny_language_model(tmp_path_factory.mktemp(name), name) for name in FAMILIES}


@pytest.fixture(scope="session")
def decoders(folders: dict[str, Path]) -> dict[str, PretrainedDecoder]:
    """Return one of each family, shared, so that no test may change it."""
    return {name: load(folder) for name, folder in folders.items()}


@pytest.fixture(params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def decoder(decoders: dict[str, PretrainedDecoder], name: str) -> PretrainedDecoder:
    return decoders[name]
