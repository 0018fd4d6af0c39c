#!/usr/bin/env python
"""Measure the peak memory of augmenting streams of two lengths, each in a fresh process.

Example:
    python scripts/measure_augmentation_memory.py --data snli_train.parquet --target path/to/classifier
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", help="file, folder of splits or hub id (default: TEXTSEM_DATA, else SNLI)")
    add("--split", default="train", help="split of the data (default: train)")
    add("--rows", nargs="+", type=int, default=[2_000, 10_000], metavar="N", help="lengths (default: 2000 10000)")
    add("--target", help="bundled, or folder or hub id of a classifier (default: none, neighbours alone)")
    add("--options", metavar="FILE", help="JSON object of other options of AugmentationConfig")
    add("--output", metavar="FILE", help="where the figures go as JSON")
    add("--one", type=int, metavar="N", help=argparse.SUPPRESS)  # a process that measures itself
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print both peaks and their ratio; return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parse_options(given)
    # The process that starts the others stays small: it loads nothing else.
    from textsem.evaluation.augmentation_memory import fresh_peaks, memory_report

    try:
        if options.one is not None:
            print(json.dumps(asdict(_measure_itself(options))))
            return 0
        if len(set(options.rows)) < 2 or min(options.rows) < 1:
            raise ValueError(f"expected two lengths or more, each at least 1, got {options.rows}")
        report = memory_report(fresh_peaks([sys.executable, __file__, *given, "--one"], options.rows))
        if options.output is not None:
            Path(options.output).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    for peak in report["peaks"]:
        print(
            f"{peak['rows']:,} rows: {peak['new_rows']:,} new ones, {peak['seconds']:.0f} s; MiB at the start "
            f"{_mebi(peak['start_bytes'])}, at the first row {_mebi(peak['first_bytes'])}, at most "
            f"{_mebi(peak['peak_bytes'])}"
        )
    print(report["text"])
    return 0 if report["within"] else 1


def _measure_itself(options: argparse.Namespace) -> Any:
    from textsem.augmentation import AdversarialAugmenter, AugmentationConfig
    from textsem.data.stream import stream_nli
    from textsem.evaluation.augmentation_memory import stream_peak

    other = {} if options.options is None else json.loads(Path(options.options).read_text(encoding="utf-8"))
    data = stream_nli(options.data, split=options.split)
    augmenter = AdversarialAugmenter(AugmentationConfig(**{"target": options.target, **other}))

    def pairs() -> Iterator[dict[str, Any]]:
        for chunk in data.chunks(64):
            for row in zip(chunk.premises, chunk.hypotheses, chunk.labels, strict=True):
                yield dict(zip(("premise", "hypothesis", "label"), row, strict=True))

    return stream_peak(augmenter.augment, pairs, num_rows=options.one)


def _mebi(size: int) -> str:
    return f"{size / 1024**2:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
