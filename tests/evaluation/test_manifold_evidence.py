import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import LATENT, TINY_CONFIG, TINY_WORDS, build_tiny_adversary
from textsem.evaluation.codes import measure_codes
from textsem.evaluation.gbsm_alone import GbsmConfig, only_gbsm
from textsem.evaluation.judges import Judgement, write_judgements
from textsem.evaluation.manifold_evidence import ManifoldEvidenceConfig, manifold_evidence, success_curve
from textsem.evaluation.manifold_tables import EVIDENCE_NAMES, evidence_tables
from textsem.evaluation.results import ResultsWriter
from textsem.latent.configuration import LearnerConfig
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.text.labels import LABEL_NAMES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    # Eq. 4 compares the particles of E and E', so both must have as many weights.
    encoder, particle = replace(TINY_CONFIG.encoder, feature_dim=LATENT), replace(TINY_CONFIG.particle, in_dim=LATENT)
    build_tiny_adversary(replace(TINY_CONFIG, encoder=encoder, particle=particle)).save_pretrained(folder / "adversary")
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randint(len(TINY_WORDS) - 1, (48, 5), generator=generator).tolist()
    rows = [
        {"premise": "a man", "hypothesis": " ".join(TINY_WORDS[i] for i in row), "label": LABEL_NAMES[n % 3]}
        for n, row in enumerate(drawn)
    ]
    rows.append({"premise": "a man", "hypothesis": "a man and a dog and a cat and a boy", "label": "neutral"})
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def config(folder: Path) -> ManifoldEvidenceConfig:
    return ManifoldEvidenceConfig(
        model=str(folder / "adversary"),
        data=str(folder / "pairs.jsonl"),
        num_permutations=19,
        train_data=str(folder / "pairs.jsonl"),
        gbsm_steps=(1, 2),
        results=str(write_run(folder / "run")),
        output=str(folder / "out"),
    )


@pytest.fixture(scope="module")
def metrics(config: ManifoldEvidenceConfig) -> dict[str, Any]:
    state = torch.get_rng_state()
    found = manifold_evidence(config)
    assert torch.equal(torch.get_rng_state(), state)
    return found


def line(index: int, status: str, distance: float | None = None) -> AttackResult:
    has_flipped = status == "success"
    return AttackResult(
        index,
        "a man",
        "a dog sleeps",
        "neutral",
        "entailment" if status == "skipped" else "neutral",
        status,  # type: ignore[arg-type]
        adversarial="a cat sleeps" if has_flipped else None,
        adversarial_prediction="entailment" if has_flipped else None,
        queries=int(has_flipped),
        distance=distance,
        edits=1 if has_flipped else None,
    )


def write_run(folder: Path) -> Path:
    """Write a run of which three of four attacked pairs fell, at 0.4, 1.1 and 1.4."""
    folder.mkdir()
    lines = [line(0, "success", 1.1), line(1, "failed"), line(2, "skipped"), line(3, "success", 0.4)]
    with ResultsWriter(folder / "results.jsonl") as writer:
        writer.write([*lines, line(4, "success", 1.4)])
    return folder


def judge(folder: Path, *, similarity: float | None = 0.9) -> None:
    """Let judge ``b`` follow the flip of pair 3, and judge ``a`` none."""
    before = {"a": "neutral", "b": "neutral"}
    judged = [Judgement(i, before) for i in range(5)]
    for i in (0, 3, 4):
        after = {"a": "neutral", "b": "entailment" if i == 3 else "neutral"}
        judged[i] = Judgement(i, before, after, similarity if i != 4 else 0.5, 1.0, False)
    write_judgements(folder / "judgements.jsonl", judged)


def test_files_hold_what_was_measured(config: ManifoldEvidenceConfig, metrics: dict[str, Any]) -> None:
    output = Path(config.output)
    assert {path.name for path in output.iterdir()} == set(EVIDENCE_NAMES)
    assert json.loads((output / EVIDENCE_NAMES[0]).read_text()) == json.loads(json.dumps(metrics))
    assert (output / EVIDENCE_NAMES[2]).read_bytes().startswith(b"\x89PNG")
    assert metrics["sentences"] == 48
    assert set(metrics["moves"]) == {"adversarial", "candidates", "isotropic", "clean", "unmoved"}
    assert metrics["moves"]["unmoved"]["outside_span"] is None
    assert metrics["moves"]["isotropic"]["length"] == pytest.approx(metrics["moves"]["adversarial"]["length"], rel=1e-3)


def test_noise_level_is_that_of_a_run(config: ManifoldEvidenceConfig, metrics: dict[str, Any]) -> None:
    pairs = [json.loads(row) for row in Path(str(config.data)).read_text().splitlines()]
    measured = measure_codes(
        TextAdversary.from_pretrained(config.model),
        [pair["hypothesis"] for pair in pairs],
        [LABEL_NAMES.index(pair["label"]) for pair in pairs],
        num_particles=3,
        seed=0,
    )
    assert measured is not None
    assert metrics["latent_noise"] == {"absolute": measured.noise.absolute, "relative": measured.noise.relative}


def test_tables_carry_the_figures_of_the_paper_and_its_arbitrary_scale(metrics: dict[str, Any]) -> None:
    table = evidence_tables(metrics)
    for row in ("| MNIST (paper) | 0.004 | - |", "| CelebA (paper) | 0.026 | - |", "| SVHN (paper) | 0.033 | - |"):
        assert row in table
    assert "The scale of codes is arbitrary, so the relative level" in table
    assert f"| {metrics['moves']['candidates']['mmd_squared']:.4f} |" in table
    assert "| trained E' | 0 | 100% |" in table
    assert "not judged" in table


def test_gbsm_starts_from_the_model_and_then_moves_it(metrics: dict[str, Any]) -> None:
    trained, fresh = metrics["gbsm_alone"]["trained"], metrics["gbsm_alone"]["fresh"]
    assert [point["step"] for point in trained] == [point["step"] for point in fresh] == [0, 1, 2]
    own = metrics["moves"]["adversarial"]
    assert {key: trained[0][key] for key in own} == own
    assert trained[0]["share_left"] == fresh[0]["share_left"] == 1.0
    assert fresh[0]["noise_absolute"] != own["noise_absolute"]
    for points in (trained, fresh):
        assert len({point["share_left"] for point in points}) == 3


def test_only_the_second_encoder_has_rates_left() -> None:
    learner = only_gbsm(LearnerConfig(inner_rate_adv=0.5, gbsm_rate=0.25))
    rates = {name for name in vars(learner) if name.endswith("_rate") or "inner_rate" in name}
    assert {name for name in rates if getattr(learner, name) != 0} == {
        *("inner_rate_adv", "gbsm_rate", "gamma_rate", "lambda_rate"),
    }
    assert learner.reconstruction_adv_weight == learner.code_noise == 0


def test_curve_is_the_share_of_attacked_pairs_below_eps(folder: Path) -> None:
    curve = success_curve(folder / "run")
    rates = dict(zip(curve["eps"], curve["rate"], strict=True))
    assert curve["attacked"] == 4
    assert (rates[0.0], rates[0.375], rates[0.4375], rates[1.125], rates[1.5]) == (0, 0, 0.25, 0.5, 0.75)
    assert curve["valid_rate"] is None


def test_valid_successes_are_those_of_the_judge(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    judge(run)
    # Pair 4 is not similar enough; judge b follows the flip of pair 3.
    assert [success_curve(run, judge_name=name)["valid_rate"][-1] for name in ("a", "b")] == [0.5, 0.25]
    assert success_curve(run)["judge"] == "a"
    assert success_curve(run)["rate"][-1] == 0.75
    with pytest.raises(ValueError, match=r"expected a judge among \['a', 'b'\], got 'c'"):
        success_curve(run, judge_name="c")


def test_without_similarity_nothing_is_called_valid_or_invalid(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    judge(run, similarity=None)
    assert success_curve(run)["valid_rate"] is None


def test_missing_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a finished run with results.jsonl"):
        success_curve(tmp_path)


@pytest.mark.parametrize("steps", [(0,), (3, 2), (2, 2)])
def test_steps_must_rise(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected rising steps of at least 1"):
        GbsmConfig(steps=steps)


def test_counts_are_checked() -> None:
    with pytest.raises(ValueError, match="expected num_permutations >= 1, got 0"):
        ManifoldEvidenceConfig(num_permutations=0)
