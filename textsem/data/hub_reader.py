"""A program of its own that reads one split through `datasets` and writes it to a file.

``textsem.data.hub`` runs it by path in a process that can be ended from outside, since a network that swallows packets
holds a call for minutes.  It imports nothing of the package.
"""

import json
import os
import sys
from socket import gaierror
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

__all__ = ["main"]


def main(name: str, split: str, mode: str, output: str) -> None:
    """Write names behind integer labels, then one row a line, of a data set on the hub.

    Args:
        name: Hub id of an NLI data set with columns premise, hypothesis and label.
        split: Name of the split on the hub.
        mode: ``cached`` reads the local cache; ``stream`` fetches the files of this one split and nothing else.
        output: File to write.
    """
    if mode == "stream":
        _check_network()
    from datasets import load_dataset

    dataset = load_dataset(name, split=split, streaming=mode == "stream")
    with open(output, "w", encoding="utf-8") as lines:
        lines.write(json.dumps(getattr(dataset.features["label"], "names", None)) + "\n")
        for row in dataset:
            lines.write(json.dumps([row["premise"], row["hypothesis"], row["label"]]) + "\n")


def _check_network() -> None:
    """End the program at once where the hub cannot be reached; `datasets` would try for half a minute."""
    request = Request(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", method="HEAD")
    try:
        urlopen(request, timeout=60).close()
    except HTTPError:
        pass  # an answer all the same
    except URLError as error:
        # Other failures, such as unknown certificates, may be this library's alone.
        if isinstance(error.reason, gaierror | ConnectionError | TimeoutError):
            raise SystemExit(f"cannot reach {request.full_url}: {error.reason}") from error


if __name__ == "__main__":
    main(*sys.argv[1:])
