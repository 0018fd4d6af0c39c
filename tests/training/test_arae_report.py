"""The card, the curve and the page of sentences say what was measured, and name no folder of a machine."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.arae_toys import SHAPE, build_run
from textsem.arae import ARAE
from textsem.text.vocabulary import END_ID, PAD_ID, UNKNOWN_ID, Vocabulary
from textsem.training.arae_report import file_names, write_arae_card, write_arae_curve, write_samples


def line(step: int, tokens: float, reverse: float) -> dict[str, Any]:
    shares = {"tokens_free": tokens, "tokens_forced": tokens + 0.01, "sentences_exact": tokens / 2}
    return {"step": step, **shares, "forward_perplexity": 99.0, "reverse_perplexity": reverse, "distinct_samples": 1.0}


METRICS = [line(0, 0.0, 5000.0), line(10, 0.5, 300.0), line(20, 0.9, 120.0), line(30, 0.91, 130.0)]
REAL = {"forward_perplexity": 25.0, "reverse_perplexity": 44.5}


def test_card_tells_first_kept_and_last_watch_beside_untrained_and_real_text(tmp_path: Path) -> None:
    write_arae_card(
        tmp_path,
        METRICS,
        METRICS[2],
        REAL,
        command="python scripts/train_arae.py --seed 5",
        machine="a toy",
        data={"sources": ["pairs.jsonl"], "sentences": 7},
        settings={"model": {"max_length": 7}, "training": {"seed": 5}},
        times={"training": 1.25},
    )
    card = (tmp_path / "README.md").read_text()
    head = "| figure | untrained (batch 0) | first watch (batch 10) | kept (batch 20) | last (batch 30) | real text |"
    assert head in card
    assert "| reverse perplexity | 5000.0 | 300.0 | 120.0 | 130.0 | 44.5 |" in card
    assert "| tokens reconstructed, free running | 0.0% | 50.0% | 90.0% | 91.0% | - |" in card
    for text in ("- Seed: 5", "- Machine: a toy", "- training: 1.2 minutes", '"sentences": 7', '"max_length": 7'):
        assert text in card
    table = [row for row in card.splitlines() if row.startswith("|")]
    assert {row.count("|") for row in table} == {7}


def test_curve_is_a_picture_even_of_a_single_watch(tmp_path: Path) -> None:
    for metrics in (METRICS, METRICS[:1]):
        write_arae_curve(tmp_path, metrics, REAL)
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
        (tmp_path / "curve.png").unlink()


def test_page_has_samples_reconstructions_and_interpolations(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    held_out = run.watch.held_out.repeat(5, 1)  # 25 rows
    write_samples(tmp_path, run.model, held_out, seed=3)
    page = (tmp_path / "samples.md").read_text()
    samples, rest = page.split("## Reconstructions")
    reconstructions, between = rest.split("## On the great circle")
    assert samples.count("\n- ") == 20
    assert reconstructions.count("\n| ") == 20 + 1
    assert between.count("\nFrom *") == 5
    assert [between.count(f"\n{i}. ") for i in range(1, 9)] == [5] * 7 + [0]
    shown = run.model.vocabulary.decode(run.model.sample(1, torch.Generator().manual_seed(3))[0].tolist())
    assert "\n- " + " ".join(shown).replace("<", "\\<") in samples


def test_signs_of_markdown_are_escaped(tmp_path: Path) -> None:
    vocabulary = Vocabulary(["|", "a"])
    model = ARAE(SHAPE, vocabulary).initialise(torch.randn(6, 8), torch.Generator().manual_seed(0))
    held_out = torch.full((1, 8), PAD_ID)
    held_out[0, :4] = torch.tensor([4, UNKNOWN_ID, 5, END_ID])
    write_samples(tmp_path, model, held_out, seed=0)
    assert "\n| \\| \\<unknown> a | " in (tmp_path / "samples.md").read_text()


@pytest.mark.parametrize("num_held_out", [1, 3])
def test_few_held_out_sentences_are_enough(tmp_path: Path, num_held_out: int) -> None:
    run = build_run(tmp_path)
    write_samples(tmp_path, run.model, run.watch.held_out[:num_held_out], seed=0)
    assert (tmp_path / "samples.md").read_text().count("\nFrom *") == num_held_out // 2


def test_names_of_files_alone_are_told(tmp_path: Path) -> None:
    assert file_names([str(tmp_path / "pairs.jsonl"), "stanfordnlp/snli"]) == ["pairs.jsonl", "stanfordnlp/snli"]
