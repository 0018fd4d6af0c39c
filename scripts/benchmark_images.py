#!/usr/bin/env python
"""Time one inner update of Algorithm 2 on images, the target left out, and what it is made of.

Example:
    python scripts/benchmark_images.py --dataset mnist --particles 2 5 10 15 --output runs/benchmark_images.json
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textsem.runs.endings import end

SHAPES = {"mnist": ((1, 28, 28), 10), "svhn": ((3, 32, 32), 10), "celeba": ((3, 64, 64), 2)}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", choices=sorted(SHAPES), default="mnist", help="default: %(default)s")
    add("--presets", nargs="+", default=None, help="default: that of --dataset")
    add("--particles", type=int, nargs="+", default=[2, 5, 10, 15], help="default: %(default)s")
    add("--batch-size", type=int, default=64, help="default: %(default)s")
    add("--repeats", type=int, default=20, help="default: %(default)s")
    add("--num-threads", type=int, default=2, help="default: %(default)s")
    add(
        "--allocator",
        choices=("kept", "default"),
        default="kept",
        help="kept, as in training: see textsem.runs.allocator",
    )
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--output", type=Path, default=None, help="file for all numbers, JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time, print, write; return the exit code."""
    options = parse_arguments(arguments)
    return end(lambda: _benchmark(options))


def _benchmark(options: argparse.Namespace) -> int:
    from images_ext.training.benchmark import time_parts, time_updates
    from textsem.runs.allocator import keep_freed_memory
    from textsem.runs.timing import use_threads
    from textsem.runs.versions import package_versions
    from textsem.runs.whole_files import write_json

    shape, classes = SHAPES[options.dataset]
    sizes = {"image_shape": shape, "num_classes": classes, "batch_size": options.batch_size}
    repeated = {"repeats": options.repeats, "seed": options.seed}
    found = {}
    is_kept = options.allocator == "kept" and keep_freed_memory()
    with use_threads(options.num_threads):
        for name in options.presets or [options.dataset]:
            rows = time_updates(name, options.particles, **sizes, **repeated)
            parts = time_parts(name, num_particles=5, **sizes, **repeated)
            found[name] = {"updates": rows, "parts_cpu_ms": parts}
            for row in rows:
                print(
                    f"{name:8} M = {row['particles']:2}: {row['wall_ms']:7.1f} ms, {row['cpu_ms']:7.1f} ms of processor"
                )
            print("         " + ", ".join(f"{part} {milliseconds:.1f}" for part, milliseconds in parts.items()))
    if options.output is not None:
        about = {
            "options": {**sizes, **repeated},
            "threads": options.num_threads,
            "keeps_freed_memory": is_kept,
            "versions": package_versions(),
        }
        write_json(options.output, {**about, "found": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
