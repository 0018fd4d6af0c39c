#!/usr/bin/env python
"""Time the pipeline: its first result in a fresh process, and pairs in batches against pairs one by one.

Example:
    python scripts/benchmark_pipeline.py --target path/to/classifier --limit 64
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--target", default="bundled", help="bundled, folder, hub id or URL (default: bundled)")
    add("--data", help="file (parquet, jsonl, csv, tsv), folder of splits, or hub id (default: SNLI, else demo pairs)")
    add("--split", default="test", help="split of the data (default: test)")
    add("--limit", type=int, default=64, help="number of pairs (default: 64)")
    add("--batch-sizes", nargs="+", type=int, default=[64, 1], metavar="N", help="pairs in a batch (default: 64 1)")
    add("--threads", type=int, default=2, help="threads of torch (default: 2)")
    add("--attack-options", metavar="FILE", help="JSON object of other options of the pipeline")
    add("--repeats", type=int, default=3, help="fresh processes, of which the median is told; 0 for none (default: 3)")
    options = parser.parse_args(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem import load_nli, pipeline
    from textsem.evaluation.benchmark_pipeline import compare_batch_sizes, first_result_seconds, rows_of
    from textsem.protocols import TargetError
    from textsem.runs.timing import use_threads

    try:
        if options.repeats:
            to_result, to_end = first_result_seconds(repeats=options.repeats)
            print(f"first result in a fresh process: after {to_result:.1f} s; the process ended after {to_end:.1f} s")
        given = json.loads(Path(options.attack_options).read_text(encoding="utf-8")) if options.attack_options else {}
        rows = rows_of(load_nli(options.data, split=options.split, limit=options.limit))
        with use_threads(options.threads):
            timings = compare_batch_sizes(
                lambda: pipeline("nli-attack", target=options.target, device="cpu", **given), rows, options.batch_sizes
            )
    except (OSError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    slowest = min(timing.pairs_per_second for timing in timings)
    for timing in timings:
        ratio = timing.pairs_per_second / slowest
        same = "identical results" if timing.is_same else "OTHER RESULTS"
        print(f"batches of {timing.batch_size}: {timing.pairs_per_second:.2f} pairs/s, ratio {ratio:.2f}, {same}")
        print(json.dumps(asdict(timing)))
    return 0 if all(timing.is_same for timing in timings) else 1


if __name__ == "__main__":
    sys.exit(main())
