"""The examples of docs/targets.md run as they are printed."""

import re
import threading
from pathlib import Path
from typing import Any

import torch

from textsem.targets.http import HttpTarget
from textsem.targets.loading import load_target

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "targets.md"


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_function_of_the_document_is_a_target() -> None:
    function, _ = examples()
    exec(compile(function, str(DOCUMENT), "exec"), {})


def test_server_of_the_document_speaks_its_json() -> None:
    _, source = examples()
    assert source.endswith("server.serve_forever()\n")
    names: dict[str, Any] = {}
    source = source.removesuffix("server.serve_forever()\n").replace("8000", "0")
    exec(compile(source, str(DOCUMENT), "exec"), names)
    server = names["server"]
    names["Classify"].log_message = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        target = HttpTarget(f"http://127.0.0.1:{server.server_port}/classify", batch_size=2)
        pairs = (["A man sleeps.", "A dog runs.", "\ud83d"], ["A person rests.", "A cat sleeps.", ""])
        answer = target.predict(*pairs)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert target.label_names == ("entailment", "neutral", "contradiction")
    assert torch.equal(answer, load_target("bundled").predict(*pairs))
