"""Timings: that every figure is there, and what can be known about it; never how fast this machine is."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.builders import LATENT, TINY_CONFIG, TINY_SENTENCES, build_tiny_adversary
from textsem.evaluation import benchmark, benchmark_search, benchmark_update
from textsem.evaluation.benchmark import FILE_NAMES, BenchmarkConfig, run_benchmark
from textsem.evaluation.benchmark_attack import STEPS
from textsem.evaluation.benchmark_tables import benchmark_tables
from textsem.evaluation.benchmark_update import gradient_bias, snli_like_ids, time_updates, zipf_frequencies
from textsem.latent.learner import train_batch
from textsem.runs.timing import time_calls, use_threads
from textsem.targets.paper_mlp import PaperMLPConfig
from textsem.text.batches import encode_sentences, sentence_lengths
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID, Vocabulary
from textsem.training.adversary_config import Preset, preset
from textsem.training.text_problem import TextBatch, TextProblem, all_words


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    training = preset("base").training
    # Particles of E and E' have as many weights, as Algorithm 2 wants them.
    encoder, particle = replace(TINY_CONFIG.encoder, feature_dim=LATENT), replace(TINY_CONFIG.particle, in_dim=LATENT)
    model = replace(TINY_CONFIG, encoder=encoder, particle=particle, perturbation_condition="label")
    tiny = Preset(model, replace(training, num_negatives=8))
    monkeypatch.setattr(benchmark_update, "preset", lambda name: tiny)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_preset: None) -> BenchmarkConfig:
    """Return the settings of a run on tiny sizes, its target untrained."""
    from textsem.targets.loading import build_word_level_target

    model = build_tiny_adversary(has_trigram=True)
    model.save_pretrained(tmp_path / "model")
    target = build_word_level_target(PaperMLPConfig(), Vocabulary(model.vocabulary.words[4:])).eval()
    monkeypatch.setattr(benchmark, "load_target", lambda name: target)
    monkeypatch.setattr(benchmark_search, "load_target", lambda name, **options: target)
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)
    lines = [
        {"premise": "A man sleeps.", "hypothesis": text, "label": i % 3} for i, text in enumerate(TINY_SENTENCES * 3)
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return BenchmarkConfig(
        model=str(tmp_path / "model"),
        data=str(tmp_path / "test.jsonl"),
        limit=6,
        presets=("base",),
        particles=(1, 5),
        batch_size=4,
        max_words=30,
        num_draws=3,
        num_pairs=2,
        num_candidates=12,
        threads=1,
        repeats=1,
        import_repeats=1,
        output=str(tmp_path / "out"),
    )


def test_every_figure_is_in_both_files(config: BenchmarkConfig) -> None:
    measured = run_benchmark(config)
    written: dict[str, Any] = json.loads(Path(config.output, FILE_NAMES[0]).read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(measured))
    assert Path(config.output, FILE_NAMES[1]).read_text(encoding="utf-8") == benchmark_tables(measured) + "\n"

    cases = [(row["vocabulary"], row["particles"]) for row in written["update"]]
    assert cases == [("exact", 1), ("exact", 5), ("sampled", 1), ("sampled", 5)]
    assert all(row["wall_ms"] > 0 and row["wall_to_5"] > 0 for row in written["update"])
    assert [row["wall_to_5"] for row in written["update"] if row["particles"] == 5] == [1.0, 1.0]
    (row,) = written["candidates"]
    assert (row["threads"], row["pairs"], row["candidates"]) == (1, 2, 12)
    assert row["wall_ms"] > 0
    assert sum(row["shares"][step] for step in STEPS) == pytest.approx(1)
    assert written["target"]["rows"] >= 6  # each pair is checked once
    assert written["target"]["attack_to_alone_wall"] > 0
    assert [row["max_queries"] for row in written["search"]] == [5, 20]
    assert all(row["pairs"] == 6 and row["rows"] >= 6 and row["attack_to_alone_cpu"] > 0 for row in written["search"])
    assert written["search"][0]["rows"] <= written["search"][1]["rows"] <= 6 + 20 * 6
    assert written["import"]["pass"] > 0
    assert set(written["bias"]) == {"decoder", "embedding", "both"}


def test_only_the_figures_wanted_are_measured(config: BenchmarkConfig) -> None:
    measured = run_benchmark(replace(config, figures=("update",), model="no/such/folder"))
    assert "update" in measured
    assert not {"bias", "candidates", "target", "search", "import"} & set(measured)
    assert "Inner update" in benchmark_tables(measured)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("figures", ("speed",), "expected figures among update, bias, candidates, target, search, import, got speed"),
        ("repeats", 0, "expected repeats >= 1, got 0"),
        ("particles", (5, 0), r"expected particles >= 1, got \[5, 0\]"),
        ("presets", ("huge",), "expected a preset among"),
    ],
)
def test_options_out_of_range_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BenchmarkConfig(**{field: value})  # type: ignore[arg-type]


def test_time_is_the_median_with_cases_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order = [0.0], list[str]()
    lengths = {"a": iter([9.0, 1.0, 2.0, 6.0]), "b": iter([9.0, 4.0, 4.0, 4.0])}

    def spend(name: str) -> None:
        order.append(name)
        clock[0] += next(lengths[name])

    clocks = SimpleNamespace(perf_counter=lambda: clock[0], process_time=lambda: clock[0] / 2)
    monkeypatch.setattr("textsem.runs.timing.time", clocks)
    timed = time_calls({name: lambda name=name: spend(name) for name in lengths}, repeats=3)  # type: ignore[misc]
    assert order == ["a", "b"] * 4
    assert (timed["a"].wall, timed["a"].cpu, timed["b"].wall) == (2.0, 1.0, 4.0)
    assert timed["b"].per(8).wall == 0.5


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with use_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="expected threads >= 1, got 0"), use_threads(0):
        pass


def test_random_rows_are_sentences() -> None:
    ids = snli_like_ids(400, max_length=16, vocab_size=104, generator=torch.Generator().manual_seed(0))
    lengths = sentence_lengths(ids)
    position = torch.arange(17)
    assert torch.equal(ids == END_ID, position == lengths[:, None])
    assert torch.equal(ids == PAD_ID, position > lengths[:, None])
    assert bool((ids[position < lengths[:, None]] > 3).all())
    assert 3 <= int(lengths.min()) <= int(lengths.max()) <= 16
    assert lengths.float().mean() == pytest.approx(benchmark_update.MEAN_LENGTH, abs=0.5)


def test_negatives_never_are_pad_or_start() -> None:
    frequencies = zipf_frequencies(50)
    assert frequencies.sum() == pytest.approx(1)
    assert frequencies[[PAD_ID, START_ID]].tolist() == [0, 0]
    assert frequencies[9] / frequencies[39] == pytest.approx(2)  # the square root of four


def test_updates_have_every_gate_open(monkeypatch: pytest.MonkeyPatch, tiny_preset: None) -> None:
    losses = []

    def watched(*args: Any, **kwargs: Any) -> Any:
        state, found = train_batch(*args, **kwargs)
        losses.append({name: value.item() for name, value in found.items()})
        return state, found

    monkeypatch.setattr(benchmark_update, "train_batch", watched)
    time_updates(["base"], [2], batch_size=4, max_words=30, repeats=1, seed=0)
    assert all(found["gate_open"] == 1.0 and "adversarial" in found for found in losses)


def test_sample_of_all_words_has_no_bias() -> None:
    model = build_tiny_adversary()
    bias = gradient_bias(model, TINY_SENTENCES, batch_size=4, num_negatives=model.vocabulary.size, num_draws=2, seed=0)
    for figures in bias.values():
        assert figures["cosine"] == pytest.approx(1)
        assert figures["norm_ratio"] == pytest.approx(1)
        assert max(figures["difference"], figures["noise"]) < 1e-5


def test_bias_is_told_from_noise() -> None:
    def measure(num_draws: int) -> dict[str, float]:
        arguments = {"batch_size": 4, "num_negatives": 6, "num_draws": num_draws}
        return gradient_bias(build_tiny_adversary(), TINY_SENTENCES, **arguments, seed=0)["both"]

    one, many = measure(1), measure(64)
    assert one["difference"] == pytest.approx(one["noise"]) == pytest.approx(one["expected"])
    assert many["expected"] == pytest.approx(many["noise"] / 8)
    assert 0 < many["difference"] < one["difference"]
    assert many["cosine"] > one["cosine"]


def test_bias_leaves_the_model_alone() -> None:
    model = build_tiny_adversary()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradient_bias(model, TINY_SENTENCES, batch_size=4, num_negatives=6, num_draws=2, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(ValueError, match="expected a hypothesis of at most 6 words, got none"):
        gradient_bias(model, ["a " * 9], batch_size=4, num_negatives=6, num_draws=2, seed=0)


def test_free_term_is_the_number_of_words() -> None:
    model = build_tiny_adversary()
    rows = [tokenize(text).words for text in TINY_SENTENCES]
    batch = TextBatch(encode_sentences(rows, vocabulary=model.vocabulary, max_length=model.config.max_length))
    problem = TextProblem(model, all_words(model.vocabulary.size))
    outputs = problem.decode(torch.randn(len(rows), model.config.particle.out_dim))
    term = benchmark_update.free_term(outputs, batch, problem)
    assert term.tolist() == pytest.approx([len(row) for row in rows])
    (slope,) = torch.autograd.grad(term.sum(), model.decoder.get_parameter("out.weight"))
    assert math.isfinite(slope.norm().item())
    assert slope.norm() > 0
