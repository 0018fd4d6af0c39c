"""What holds in every test: one thread, no network, no accelerator, a fixed seed."""

import os
import random
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

# Before anything imports torch, and inherited by the processes that tests start.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    CUDA_VISIBLE_DEVICES="",
    MPLBACKEND="Agg",
)

LOCAL_HOSTS = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"}

# The machine may be busy: a slow example is no failure, and a failure must come back on the next run.
settings.register_profile("textsem", deadline=None, derandomize=True)
settings.load_profile("textsem")


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests talk to this machine alone; elsewhere fails at once, as on a machine without a network."""
    connect: Callable[[socket.socket, Any], None] = socket.socket.connect
    getaddrinfo = socket.getaddrinfo

    def local_connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOCAL_HOSTS:
            raise ConnectionRefusedError(f"tests have no network, got a connection to {address[0]}")
        connect(self, address)

    def local_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in LOCAL_HOSTS:
            raise socket.gaierror(f"tests have no network, got a look-up of {host}")
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", local_connect)
    monkeypatch.setattr(socket, "getaddrinfo", local_getaddrinfo)


@pytest.fixture(scope="session")
def tiny_adversary() -> Any:
    """Return the adversary of ``tests/builders.py``; shared, so that no test may change it."""
    from tests.builders import build_tiny_adversary

    return build_tiny_adversary()
