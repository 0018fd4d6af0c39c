"""Compare our attack with its controls, other searches and other packages: one target, one set of pairs, one table.

Example:
    make peers
    python scripts/compare_attacks.py --target path/to/classifier --judges path/to/judge --limit 300
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``CompareConfig``; its defaults stand for the others."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--judges", nargs="+", required=True, metavar="MODEL", help="who judges; the first one scores")
    add(
        "--attacks", nargs="+", metavar="NAME", help="which to run; finished ones stand in the table too (default: all)"
    )
    add("--output", help="folder of the table and of one folder an attack (default: runs/compare)")
    add("--data", help="file, folder of splits or hub id (default: SNLI, else demo pairs)")
    add("--split", help="split of the data (default: test)")
    add("--limit", type=int, help="number of pairs, from the start; 0 for all (default: 300)")
    add("--target", help="bundled, or folder or hub id of a classifier (default: bundled)")
    add("--model", help="bundled, or folder of a trained adversary (default: bundled)")
    add("--arae", help="folder of scripts/train_arae.py: attacks named -arae search the noise of its generator")
    add("--max-queries", type=int, help="budget a pair; unconstrained peers have their own (default: 100)")
    add("--sentence-encoder", help="folder or hub id (default: what TEXTSEM_SENTENCE_ENCODER names)")
    add("--min-similarity", type=float, help="of a valid success, and of the constraint (default: 0.8)")
    add("--attack-options", metavar="FILE", help="JSON object of other options for ours and the controls")
    add("--peers-python", help="interpreter of the peers' environment (default: .venv-peers/bin/python)")
    add("--lexical", help="folder of the peers' word neighbours (default: what TEXTSEM_LEXICAL names)")
    add("--nltk-data", help="NLTK's data for the peers (default: what NLTK_DATA names)")
    add("--seed", type=int, help="seed of every run (default: 0)")
    add("--device", help="where models run, such as cpu or cuda (default: a GPU if there is one)")
    add("--batch-size", type=int, help="most rows in one forward pass of the target (default: 64)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and tell where the table lies; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.compare import FILE_NAMES, CompareConfig, compare_attacks
    from textsem.evaluation.peer_process import PeerError
    from textsem.protocols import TargetError

    try:
        if "attack_options" in options:
            options["attack_options"] = json.loads(Path(options["attack_options"]).read_text(encoding="utf-8"))
        script = Path(__file__).resolve().parent / "peers" / "textattack_peer.py"
        config = CompareConfig(**options, peers_script=str(script))
        compare_attacks(config, show_progress=True)
    except (OSError, PeerError, TargetError, ValueError) as error:
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
