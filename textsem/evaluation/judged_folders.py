"""Judge the folders of runs, finished or cut off: ours, controls, peers."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textsem.evaluation.headline import headline
from textsem.evaluation.identity import BUNDLED_MODEL, model_folder
from textsem.evaluation.judges import Judgement
from textsem.evaluation.judging import Jury, JuryConfig, judge_lines, load_jury
from textsem.evaluation.metrics import summarise
from textsem.evaluation.reporting import controls_that_stand, read_object, stored_summary, whole_lines, write_files
from textsem.evaluation.results import RESULTS_NAME, SUMMARY_NAME
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.processes import Processes
from textsem.runs.whole_files import write_json

__all__ = ["JudgeResultsConfig", "judge_folders"]


@dataclass(frozen=True)
class JudgeResultsConfig:
    """Every option of ``scripts/judge_results.py``.

    Args:
        folders: Folders with ``results.jsonl``, and ``summary.json`` where there is one.
        judges: See ``JuryConfig``, as all that follows save ``model`` and ``controls``.
        sentence_encoder: Measures similarity.
        min_similarity: Threshold.
        max_perplexity_ratio: Threshold.
        device: Where the models run.
        batch_size: Most rows in one forward pass.
        model: ``bundled``, or the folder of the adversary whose trigram measures fluency.
        controls: Judged runs that the first folder is set against; none leaves each folder with the controls that its
            own settings name.
    """

    folders: tuple[str, ...]
    judges: tuple[str, ...]
    sentence_encoder: str | None = None
    min_similarity: float = 0.80
    max_perplexity_ratio: float | None = 2.0
    device: str = "cpu"
    batch_size: int = 64
    model: str = "bundled"
    controls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields; lists become tuples."""
        for name in ("folders", "judges", "controls"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.folders:
            raise ValueError("expected at least one folder, got none")
        self.jury_config()

    def jury_config(self) -> JuryConfig:
        """Return who judges."""
        return JuryConfig(
            self.judges,
            self.sentence_encoder,
            self.min_similarity,
            self.max_perplexity_ratio,
            self.device,
            self.batch_size,
        )


def judge_folders(config: JudgeResultsConfig) -> list[dict[str, Any]]:
    """Judge finished runs; write ``judgements.jsonl``, and summary and page anew, in each folder.

    All folders are judged before the first page is written, so that a run and its controls may come in one call.

    Returns:
        What each ``summary.json`` holds.

    Raises:
        ValueError: If a folder has no results, a judge took part in an attack, or a control was not judged alike.
    """
    Processes.current().expect_alone("judging finished runs")
    folders = [Path(folder) for folder in config.folders]
    missing = [str(folder) for folder in folders if not (folder / RESULTS_NAME).is_file()]
    if missing:
        raise ValueError(f"expected {RESULTS_NAME} in {', '.join(missing)}, got none")
    took_part = {
        f"{role} ({folder})": identity
        for folder in folders
        for role, identity in (read_object(folder / SUMMARY_NAME).get("model") or {}).items()
        if identity is not None
    }
    model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
    trigram_folder = model_folder(config.model, BUNDLED_MODEL)
    jury = load_jury(config.jury_config(), model.language_model, trigram_folder, took_part=took_part)
    with ExitStack() as stack:
        lines = [stack.enter_context(whole_lines(folder)) for folder in folders]
        judged = [_judge(folder, results, jury) for folder, results in zip(folders, lines, strict=True)]
        summaries = []
        for i, (folder, results) in enumerate(zip(folders, lines, strict=True)):
            judgements, summary = judged[i]
            named = config.controls if i == 0 else ()
            controls = named or controls_that_stand(summary, folder)
            summaries.append(write_files(folder, results, judgements, summary, controls))
        return summaries


def _judge(folder: Path, results: Sequence[AttackResult], jury: Jury) -> tuple[list[Judgement], dict[str, Any]]:
    """Judge one run, write ``judgements.jsonl``, and put ``validity`` into ``summary.json``, where its rivals read it.

    Returns:
        The judgements, and what ``summary.json`` holds.
    """
    judgements, validity = judge_lines(folder, results, jury)
    summary = {**stored_summary(folder, results), **summarise(results), "validity": validity}
    summary["headline"] = headline(summary)
    write_json(folder / SUMMARY_NAME, summary)
    return judgements, summary
