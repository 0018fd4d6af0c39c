"""Attack a classifier of premise-hypothesis pairs with hypotheses from a learned manifold."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textsem.commands.exporting import add_export, write_tables
from textsem.commands.parsing import add_label_order, command_parser
from textsem.runs.devices import check_device
from textsem.runs.endings import end

__all__ = ["main", "parse_options"]

PRECISIONS = ("float32", "bfloat16", "float16")
EXAMPLE = "--target path/to/classifier --limit 1000"


def parse_options(arguments: Sequence[str], *, program: str) -> dict[str, Any]:
    """Return the options by the names of ``AttackSnliConfig``, whose defaults stand for those that were not given.

    ``export``, ``rows`` and ``quiet`` are the command's own, and always there.
    """
    parser = command_parser(program, __doc__ or "", example=EXAMPLE, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--data", help="file (parquet, jsonl, csv, tsv), folder of splits, or hub id (default: SNLI, else demo pairs)")
    add("--split", help="split of the data (default: test)")
    add("--limit", type=int, help="number of pairs, from the start; 0 for all (default: 300)")
    add(
        "--target",
        help="bundled, folder or hub id of any AutoModelForSequenceClassification, or http(s) URL of an endpoint "
        "(default: bundled)",
    )
    add("--access", choices=["score", "label", "gradient"], help="what the target tells (default: score)")
    add("--max-queries", type=int, help="most rows sent to the target for one pair's candidates (default: 100)")
    add("--model", help="bundled, or folder of a trained adversary (default: bundled)")
    add(
        "--candidates-from",
        choices=["adversarial", "basis", "clean", "isotropic", "neighbours", "reconstruction"],
        help="where candidates come from: E', or one of its controls (default: adversarial)",
    )
    add("--output", help="folder for results.jsonl, summary.json, report.html (default: runs/attack_snli)")
    add("--resume", action="store_true", help="continue the run in that folder instead of beginning anew")
    add("--seed", type=int, help="seed of the run (default: 0)")
    add("--device", help="where the target runs, such as cpu or cuda (default: a GPU if there is one)")
    add("--batch-size", type=int, help="most rows in one forward pass of the target (default: 64)")
    add_label_order(parser, "what the target's LABEL_0, LABEL_1 and, of three classes, LABEL_2 mean")
    add_label_order(parser, "what the data's numbers 0, 1 and 2 mean, if not that order", option="--data-label-order")
    add("--eps", type=float, help="largest L2 distance of the embedded hypotheses (default: any)")
    add("--max-edits", type=int, help="most words that may change (default: 3)")
    add("--num-candidates", type=int, help="candidates drawn for one pair, before any filter (default: 120)")
    add("--goal", choices=["valid", "flip"], help="what is looked for: valid successes, or any flip (default: valid)")
    add(
        "--decoder",
        choices=["arae", "language_model", "pretrained", "transpose_cnn"],
        help="decoder that the adversary must have (default: whichever it has)",
    )
    add(
        "--decoding",
        choices=["mixture", "single", "free"],
        help="codes together propose edits, each gives few edits, or each is a sentence as the decoder writes it "
        "(default: mixture, of --goal flip single)",
    )
    add("--generation", choices=["greedy", "sampling", "beam"], help="words of --decoding free (default: greedy)")
    add(
        "--filter-model",
        metavar="NAME",
        help="NLI model that must keep the label: bundled, none, folder or hub id; auto is the bundled target where "
        "that is not under attack (default: auto)",
    )
    add("--margin-centre", type=float, help="how far ahead it should put the label, nats (default: 0.25)")
    add("--margin-width", type=float, help="largest distance from that (default: 1.25)")
    add("--part-of-speech", choices=["none", "universal", "penn"], help="what a changed word keeps (default: none)")
    add("--filter-precision", choices=PRECISIONS, help="of encoder and filter model (default: float32)")
    add("--target-precision", choices=PRECISIONS, help="of a target from Hugging Face (default: float32)")
    add(
        "--controls",
        nargs="+",
        metavar="DIR",
        help="finished runs that the report sets this one against (default: none)",
    )
    add("--particles", type=int, dest="num_particles", metavar="M", help="particles (default: the adversary's number)")
    add(
        "--judges",
        nargs="+",
        metavar="NAME",
        help="NLI models that judge the run; the first one scores (default: none)",
    )
    add(
        "--sentence-encoder",
        metavar="NAME",
        help="measures similarity, for filter and judges (default: TEXTSEM_SENTENCE_ENCODER)",
    )
    add(
        "--max-perplexity-ratio",
        type=float,
        help="how much less likely than the original a candidate may be, by the adversary's trigram (default: 2.0)",
    )
    add("--min-similarity", type=float, help="smallest similarity to the original (default: 0.8)")
    add_export(parser)
    add("--quiet", action="store_true", default=False, help="no line about the progress on standard error")
    options = vars(parser.parse_args(arguments))
    if options["rows"] and not options["export"]:
        parser.error("argument --rows: expected --export beside it")
    return options


def main(arguments: Sequence[str] | None = None, *, program: str = "textsem attack") -> int:
    """Run the attack and tell in a few lines what came out; return the exit code.

    Args:
        arguments: The options; None for those of this process.
        program: What was typed before them.
    """
    options = parse_options(sys.argv[1:] if arguments is None else arguments, program=program)
    return end(
        lambda: _attack(**options),
        output=options.get("output", "runs/attack_snli"),
        kept="the lines written so far are kept, --resume continues",
    )


def _attack(*, export: Sequence[str] | None, rows: str | None, quiet: bool, **options: Any) -> int:
    # Not before parsing, so that --help and a misspelt option answer at once.
    from textsem.evaluation.exports import export_names
    from textsem.evaluation.run import FILE_NAMES, attack_snli
    from textsem.evaluation.run_config import AttackSnliConfig
    from textsem.processes import Processes

    check_device(options.get("device"))
    config = AttackSnliConfig(**options)
    summary = attack_snli(config, show_progress=not quiet)
    if not Processes.current().is_main:
        return 0
    folder = Path(config.output)
    tables = write_tables(folder, export, rows)
    for name in export_names():
        if folder / name not in tables:  # of an earlier run
            (folder / name).unlink(missing_ok=True)
    if summary["notice"]:
        print(f"notice: {summary['notice']}")
    print(summary["headline"])
    statuses = ", ".join(f"{count} {status}" for status, count in summary["statuses"].items() if count)
    print(f"{summary['n']} pairs ({statuses}), {summary['rows_sent']} rows sent, {summary['seconds']:.1f} s")
    if summary["first_error"]:
        print(f"first error: {summary['first_error']}")
    for path in (*(folder / name for name in FILE_NAMES), *tables):
        print(path)
    return 0
