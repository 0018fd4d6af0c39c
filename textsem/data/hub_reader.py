"""A program of its own that reads one split through `datasets` and writes it to a file.

``textsem.data.hub`` runs it by path in a process that can be ended from outside, since a network that swallows packets
holds a call for minutes.  It imports nothing of the package.
"""

import json
import sys

__all__ = ["main"]


def main(name: str, split: str, mode: str, output: str) -> None:
    """Write names behind integer labels, then one row a line, of a data set on the hub.

    Args:
        name: Hub id of an NLI data set with columns premise, hypothesis and label.
        split: Name of the split on the hub.
        mode: ``cached`` reads the local cache; ``stream`` fetches the files of this one split and nothing else.
        output: File to write.
    """
    from datasets import load_dataset

    dataset = load_dataset(name, split=split, streaming=mode == "stream")
    with open(output, "w", encoding="utf-8") as lines:
        lines.write(json.dumps(getattr(dataset.features["label"], "names", None)) + "\n")
        for row in dataset:
            lines.write(json.dumps([row["premise"], row["hypothesis"], row["label"]]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
