#!/usr/bin/env python
"""Ask a run's target again about every line of its results, and compute every figure of its summary again.

Exit code 0: all is as it was written; 1: something differs, and is named; 2: it could not be checked.

Example:
    python scripts/verify_results.py runs/attack_snli/results.jsonl
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any


def parse_options(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the options that were given, by the names of ``VerificationConfig``."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("results", help="results.jsonl, or its folder; summary.json lies beside it")
    add("--target", metavar="PATH", help="where the target lies now (default: where the run found it)")
    add("--model", metavar="PATH", help="where the adversary lies now, for distances and latent noise")
    add("--data", help="the run's data, to be held against the lines (default: the digest of the lines alone)")
    add("--device", help="where the target runs (default: where it ran, else cpu)")
    add("--judges", nargs="+", metavar="NAME", help="NLI models to be asked again about judgements.jsonl")
    add("--sentence-encoder", metavar="NAME", help="measures its similarities again")
    add("--tolerance", type=float, help="largest difference of a probability or distance (default: 6e-6)")
    return vars(parser.parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify and print the table; return the exit code."""
    options = parse_options(arguments)
    # After parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.verification import VerificationConfig, verify_results
    from textsem.evaluation.verification_checks import verification_table
    from textsem.protocols import TargetError

    try:
        verification = verify_results(VerificationConfig(**options))
    except (OSError, TargetError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(verification_table(verification))
    return 1 if verification.differences else 0


if __name__ == "__main__":
    sys.exit(main())
