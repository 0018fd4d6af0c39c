#!/usr/bin/env python
"""Compare adversaries with other decoders or embeddings: one target, one set of pairs, one table, a page of examples.

Example:
    python scripts/compare_decoders.py --models cnn=bundled lm=runs/lm --judges path/to/judge --limit 300
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``CompareDecodersConfig``; its defaults stand for others."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        required=True,
        metavar="NAME=FOLDER",
        help="trained adversaries, bundled for the bundled one; times are relative to the first",
    )
    add("--judges", nargs="+", required=True, metavar="MODEL", help="who judges; the first one scores")
    add("--controls", nargs="*", metavar="NAME", help="isotropic, clean, neighbours, reconstruction (default: 2 first)")
    add("--output", help="folder of table and page, and of one folder a model (default: runs/compare_decoders)")
    add("--data", help="file, folder of splits or hub id (default: SNLI, else demo pairs)")
    add("--split", help="split of the data (default: test)")
    add("--limit", type=int, help="number of pairs, from the start; 0 for all (default: 300)")
    add("--num-sentences", type=int, help="different sentences of the split that are reconstructed (default: 1000)")
    add("--target", help="bundled, or folder or hub id of a classifier (default: bundled)")
    add("--sentence-encoder", help="folder or hub id (default: what TEXTSEM_SENTENCE_ENCODER names)")
    add("--attack-options", metavar="FILE", help="JSON object of other options for the attacks")
    add("--lm-data", nargs="+", metavar="SOURCE", help="data for the trigram that judges (default: the bundled one)")
    add("--seed", type=int, help="seed of every run, of free text and of the examples (default: 0)")
    add("--device", help="where classifiers and encoder run, such as cpu or cuda (default: a GPU if there is one)")
    add("--batch-size", type=int, help="most rows in one forward pass of the target (default: 64)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and tell where the table lies; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.compare_decoders import FILE_NAMES, CompareDecodersConfig, compare_decoders
    from textsem.protocols import TargetError

    try:
        if "attack_options" in options:
            options["attack_options"] = json.loads(Path(options["attack_options"]).read_text(encoding="utf-8"))
        config = CompareDecodersConfig(**options)
        compare_decoders(config, show_progress=True)
    except (OSError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was written is kept, and the same command continues", file=sys.stderr)
        return 130
    print(Path(config.output, FILE_NAMES[0]).read_text(encoding="utf-8"))
    for name in FILE_NAMES:
        print(Path(config.output, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
