"""Distil a sentence encoder into an adversary's meaning table: word vectors whose sums say what sentences mean."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from textsem.commands.parsing import command_parser, shown_command
from textsem.commands.preconditions import check_output
from textsem.runs.endings import end

__all__ = ["main", "parse_arguments"]

EXAMPLE = "--encoder path/to/sentence-encoder --model runs/adversary --data snli_train.parquet"


def parse_arguments(arguments: Sequence[str], *, program: str) -> argparse.Namespace:
    """Read the command line."""
    parser = command_parser(program, __doc__ or "", example=EXAMPLE)
    add = parser.add_argument
    add("--encoder", required=True, help="folder or hub id of a sentence encoder")
    add("--model", type=Path, default=None, help="adversary's folder to write into; the bundled one only if named here")
    add("--data", default=None, help="hub id, file or folder of NLI splits (default: TEXTSEM_DATA, else SNLI)")
    add("--split", default="train", help="split of --data whose hypotheses are taken (default: %(default)s)")
    add("--sentences", type=int, default=35_000, help="most sentences to fit (default: %(default)s)")
    add("--dim", type=int, default=128, help="meaning dimensions (default: %(default)s)")
    add("--ridge", type=float, default=0.02, help="weight of the penalty (default: %(default)s)")
    add(
        "--precision", choices=("float32", "bfloat16"), default="bfloat16", help="of the encoder (default: %(default)s)"
    )
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--machine", default="not stated", help="what the card says about the machine")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem train meaning") -> int:
    """Distil, save, and print the figures; return the exit code.

    Args:
        arguments: The options; None for those of this process.
        program: What was typed before them.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(given, program=program)
    return end(lambda: _distil(options, shown_command(program, given)), output=options.model)


def _distil(options: argparse.Namespace, command: str) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from textsem.constraints.sentence_encoder import SentenceEncoder
    from textsem.data.nli import load_nli
    from textsem.model import TextAdversary
    from textsem.training.adversary_report import file_name
    from textsem.training.meaning import MeaningConfig, distil_meaning
    from textsem.training.meaning_report import save_meaning

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.model is None:
        raise ValueError("expected --model, the adversary's folder to write into, got none")
    check_output(options.model)
    config = MeaningConfig(num_sentences=options.sentences, dim=options.dim, ridge=options.ridge, seed=options.seed)
    data = load_nli(options.data, split=options.split)
    identity = replace(data.identity, source=file_name(data.identity.source))
    encoder = SentenceEncoder(options.encoder, dtype=options.precision)
    distilled = distil_meaning(encoder, TextAdversary.from_pretrained(options.model), data.hypotheses, config)
    description = {
        "Encoder": f"{file_name(options.encoder)}, {encoder.dim} dimensions, {options.precision}",
        "Data": f"hypotheses of `{json.dumps(asdict(identity))}`",
        "Command": f"`{command}`",
        "Machine": options.machine,
    }
    save_meaning(distilled, options.model, config, description)
    print(json.dumps(distilled.figures, indent=2))
    return 0
