"""A program in the place of a peer: it shortens a hypothesis word by word until the label flips.

What else it does stands in the premise, so that a test chooses pair by pair.  Run by tests; never imported.
"""

import json
import os
import sys
from typing import Any

PIPE = os.fdopen(os.dup(1), "w")


def say(message: dict[str, Any]) -> None:
    PIPE.write(json.dumps(message) + "\n")
    PIPE.flush()


def ask(message: dict[str, Any]) -> Any:
    say(message)
    return json.loads(sys.stdin.readline())


def attack(pair: dict[str, Any]) -> dict[str, Any]:
    premise, words = pair["premise"], pair["hypothesis"].split()
    if "dies" in premise:
        sys.exit("out of memory")
    if "mumbles" in premise:
        PIPE.write("Traceback ...\n")
        PIPE.flush()
    found, error = None, None
    if "raises" in premise:
        error = "IndexError: " + "x" * 1000
    texts = [" ".join(words[:n]) for n in range(len(words), 0, -1)]
    if "--constrained" in sys.argv:
        columns = {"premises": premise, "originals": pair["hypothesis"], "labels": pair["label"]}
        question = {**{name: [value] * len(texts) for name, value in columns.items()}, "candidates": texts}
        accepted = ask({"accept": question})["accepted"]
        texts = [text for text, is_fine in zip(texts, accepted, strict=True) if is_fine]
    if "encodes" in premise:
        answer = ask({"encode": ["a man", "b"]})
        error = answer.get("error") or str(answer["embeddings"])
    if "next word" in premise:
        error = str(ask({"next_word": {"previous": "A", "words": ["Man", "dog"]}})["log_probabilities"])
    if "asks what is unknown" in premise:
        error = ask({"sing": []})["error"]
    for text in texts:
        reply = ask({"predict": [[premise.replace("changes", "changed"), text]]})
        if "error" in reply:
            error = reply["error"]
            break
        row = reply["probabilities"][0]
        if row.index(max(row)) != pair["label"]:
            found = text
            break
    if "lies" in premise:
        found = "never asked"
    if "gives the original" in premise:
        found = pair["hypothesis"]
    return {"adversarial": found, "error": error}


if __name__ == "__main__":
    os.dup2(2, 1)
    print("this goes to the log", flush=True)
    replaced = {"its dictionary": "ours"}
    options = sys.argv[1:]
    say(
        {
            "ready": {
                "package": "fake 1.0",
                "replaced": replaced,
                "options": options,
                "data": os.environ.get("NLTK_DATA"),
            }
        }
    )
    for line in sys.stdin:
        say({"result": attack(json.loads(line)["attack"])})
