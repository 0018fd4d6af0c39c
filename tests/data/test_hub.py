import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from datasets.arrow_writer import ArrowWriter

from textsem.data import hub
from textsem.data.demo import DEMO_SOURCE
from textsem.data.nli import DATA_VARIABLE, load_nli

OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without SNLI, on which the hub may be asked."""
    for name in (DATA_VARIABLE, *OFFLINE_VARIABLES, "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def black_hole(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A hub that takes every connection and never says a word; the event tells that it was asked."""
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return
                asked.set()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


def fill_cache(folder: Path, hypotheses: list[str]) -> None:
    """Lay out a prepared split as `datasets` does."""
    place = folder / "stanfordnlp___snli" / "plain_text" / "0.0.0" / "0123abc"
    place.mkdir(parents=True)
    names = ["entailment", "neutral", "contradiction"]
    text = datasets.Value("string")
    features = datasets.Features(premise=text, hypothesis=text, label=datasets.ClassLabel(names=names))
    writer = ArrowWriter(features=features, path=str(place / "snli-test.arrow"))
    for i, hypothesis in enumerate(hypotheses):
        writer.write({"premise": "A.", "hypothesis": hypothesis, "label": i - 1})
    writer.finalize()
    splits = datasets.SplitDict({"test": datasets.SplitInfo("test", num_examples=len(hypotheses), dataset_name="snli")})
    info = datasets.DatasetInfo(
        features=features, builder_name="parquet", dataset_name="snli", config_name="plain_text", splits=splits
    )
    info.write_to_directory(str(place))


def test_promise_of_five_seconds_leaves_time_to_stop() -> None:
    assert 2.0 <= hub.HUB_SECONDS < 5.0


def test_network_that_swallows_packets_ends_in_the_demo_pairs(
    black_hole: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HUB_SECONDS", 1.5)
    start = time.monotonic()
    data = load_nli(None)
    # A call that waits for the hub takes a minute; the bound leaves room for a busy machine.
    assert time.monotonic() - start < 5.0
    assert black_hole.is_set()
    assert data.notice is not None
    assert "no local copy; hub: no answer within 1.5 s" in data.notice
    assert data.identity.source == DEMO_SOURCE


def test_unreachable_hub_ends_in_the_demo_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(hub, "HUB_SECONDS", 60.0)
    data = load_nli(None)
    assert data.notice is not None
    assert "cannot reach" in data.notice


@pytest.mark.parametrize("variable", OFFLINE_VARIABLES)
def test_offline_variable_forbids_the_hub(
    black_hole: threading.Event, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    data = load_nli(None)
    assert not black_hole.is_set()
    assert data.notice is not None
    assert "the hub may not be asked" in data.notice


def test_demo_notice_names_number_reason_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = load_nli(None, limit=30)
    assert data.notice is not None
    for part in ("216 demo pairs", "no local copy", "stanfordnlp/snli", DATA_VARIABLE):
        assert part in data.notice
    assert (len(data), data.identity.rows, data.identity.source) == (30, 30, DEMO_SOURCE)


def test_demo_pairs_are_no_training_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="expected training data, got none"):
        load_nli(None, split="train")


def test_local_cache_is_read_without_asking_the_hub(
    black_hole: threading.Event, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asking the hub would be noticed at once, but then be waited for.
    monkeypatch.setattr(hub, "CACHE_SECONDS", 30.0)
    fill_cache(empty_cache, ["unlabelled", "zero", "one", "two"])
    data = load_nli(None)
    assert not black_hole.is_set()
    assert (data.hypotheses, data.labels) == (("zero", "one", "two"), (0, 1, 2))
    assert (data.dropped_unlabelled, data.notice) == (1, None)
    assert (data.identity.source, data.identity.split) == ("stanfordnlp/snli", "test")


def test_reader_reports_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_cache(tmp_path / "cache", ["unlabelled", "zero"])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(hub.DataUnavailableError, match='cache: ValueError: Unknown split "validation"'):
        hub.read_snli("dev")


def test_streamed_rows_arrive_with_label_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream mode, with `datasets` replaced by a stub in the reader's process."""
    (tmp_path / "datasets.py").write_text(
        "class Rows(list):\n"
        "    features = {'label': type('L', (), {'names': ['neutral', 'entailment', 'contradiction']})}\n"
        "def load_dataset(name, split, streaming):\n"
        f"    assert (name, split, streaming) == ({hub.SNLI!r}, 'validation', True)\n"
        "    return Rows([{'premise': 'A.', 'hypothesis': 'B.', 'label': i} for i in range(3)])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        table = hub.read_snli("dev")
        thread.join()
    assert table.class_names == {"label": ("neutral", "entailment", "contradiction")}
    assert json.loads(json.dumps(table.columns)) == {
        "premise": ["A."] * 3,
        "hypothesis": ["B."] * 3,
        "label": [0, 1, 2],
    }
