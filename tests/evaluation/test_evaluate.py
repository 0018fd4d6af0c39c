"""The figures of a tiny adversary, from options to files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import TINY_SENTENCES, build_tiny_adversary
from textsem.data.sentences import load_sentences
from textsem.evaluation.evaluate import EvaluateAdversaryConfig, evaluate_adversary
from textsem.evaluation.evaluation_tables import evaluation_tables
from textsem.evaluation.smoothness_sources import SOURCES
from textsem.model import TextAdversary

TOO_LONG = "a man sleeps , a dog runs , a cat eats"
TRAINING = ["a MAN sleeps", "two dogs near a house .", "a young boy eats food near a red house in the park"]


def write_pairs(path: Path, hypotheses: list[str]) -> str:
    rows = [{"premise": "A man.", "hypothesis": text, "label": "neutral"} for text in hypotheses]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def write_captions(path: Path, captions: list[str]) -> str:
    path.write_text("".join(json.dumps({"caption": text}) + "\n" for text in captions), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evaluate")
    build_tiny_adversary(has_trigram=True).save_pretrained(made / "adversary")
    build_tiny_adversary().save_pretrained(made / "plain")
    write_pairs(made / "pairs.jsonl", [*TINY_SENTENCES, TOO_LONG])
    write_captions(made / "training.jsonl", TRAINING)
    return made


def options(folder: Path, **changed: Any) -> EvaluateAdversaryConfig:
    values: dict[str, Any] = {"model": str(folder / "adversary"), "data": str(folder / "pairs.jsonl")}
    return EvaluateAdversaryConfig(**{**values, "output": str(folder / "figures"), **changed})


@pytest.fixture(scope="module")
def metrics(folder: Path) -> dict[str, Any]:
    captions = (str(folder / "training.jsonl"),)
    plain = str(folder / "plain")
    return evaluate_adversary(options(folder, plain_model=plain, train_data=captions, lm_data=captions))


def test_every_model_and_group_has_its_figure(metrics: dict[str, Any]) -> None:
    assert set(metrics["reconstruction"]) == {"adversary", "plain"}
    groups = metrics["reconstruction"]["adversary"]
    assert {name: figures["num_sentences"] for name, figures in groups.items()} == {
        "all, up to 10 words": 4,
        "all, any length it takes": 4,
        "not seen in training, up to 10 words": 2,
        "not seen in training, any length it takes": 2,
    }
    assert groups["all, any length it takes"]["coverage"] == 4 / 5
    # "zebra" is one of 5 + 7 + 4 + 6 tokens, ends included.
    assert groups["all, any length it takes"]["share_unknown"] == 1 / 22


def test_sources_stand_beside_the_plain_autoencoder(metrics: dict[str, Any]) -> None:
    names = [*SOURCES, "plain isotropic"]
    assert list(metrics["smoothness"]) == names
    assert {figures["n"] for figures in metrics["smoothness"].values()} == {4}
    # The plain model is the adversary itself here: so are its figures.
    assert metrics["smoothness"]["isotropic"] == metrics["smoothness"]["plain isotropic"]
    assert metrics["examples"]["isotropic"] == metrics["examples"]["plain isotropic"]


def test_files_hold_what_is_returned(metrics: dict[str, Any], folder: Path) -> None:
    # Read back, tuples are lists.
    stored = json.loads((folder / "figures" / "metrics.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(metrics))
    page = (folder / "figures" / "evaluation.md").read_text(encoding="utf-8")
    assert evaluation_tables(metrics) in page
    examples = [example for rows in metrics["examples"].values() for example in rows]
    assert examples
    assert all(f"| {example['old']} | {example['new']} |" in page for example in examples)


def test_judge_is_named(metrics: dict[str, Any], folder: Path) -> None:
    source = str(folder / "training.jsonl")
    assert metrics["judge"] == {"fitted_on": [source], "sentences": 3}
    assert f"fitted on: {source} (3 sentences)." in evaluation_tables(metrics)
    own = evaluate_adversary(options(folder, output=str(folder / "own")))
    assert own["judge"] == {"fitted_on": "the adversary's own trigram, which its attack may use too"}
    assert own["judge"]["fitted_on"] in evaluation_tables(own)
    assert tuple(own["smoothness"]) == SOURCES
    assert not [name for name in own["reconstruction"]["adversary"] if name.startswith("not seen")]


def test_the_judge_is_the_trigram_of_the_given_sentences(
    metrics: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ratios can be had by hand: perplexities of an example's words under a trigram fitted on the same file."""
    from textsem.text.ngram import TrigramLanguageModel
    from textsem.text.tokenization import tokenize

    words = [tokenize(text).words for text in load_sentences([str(folder / "training.jsonl")]).sentences]
    vocabulary = TextAdversary.from_pretrained(folder / "adversary").vocabulary
    judge = TrigramLanguageModel.fit(words, vocabulary=vocabulary)
    for example in metrics["examples"]["isotropic"]:
        old, new = judge.perplexity([example["old"].split(), example["new"].split()])
        assert example["perplexity_ratio"] == pytest.approx(new / old, rel=1e-4)


def test_examples_say_how_far_and_how_similar(metrics: dict[str, Any], folder: Path) -> None:
    model = TextAdversary.from_pretrained(folder / "adversary")
    table = model.embedding_table().detach()
    for example in metrics["examples"]["isotropic"]:
        assert 0.02 <= example["scale"] <= 5.0
        old, new = (table[model.vocabulary.encode(example[name].split())].mean(dim=0) for name in ("old", "new"))
        assert example["similarity"] == pytest.approx(float(torch.cosine_similarity(old, new, dim=0)), abs=1e-4)


def test_same_seed_same_figures_other_seed_others(metrics: dict[str, Any], folder: Path) -> None:
    first, again, other = (
        evaluate_adversary(options(folder, seed=seed, output=str(folder / "seeds"))) for seed in (0, 0, 1)
    )
    assert first["smoothness"] == again["smoothness"]
    assert first["examples"] == again["examples"]
    assert first["examples"] != other["examples"]


def test_adversary_without_trigram_needs_sentences(folder: Path) -> None:
    with pytest.raises(ValueError, match="expected lm_data, since this adversary has no trigram"):
        evaluate_adversary(options(folder, model=str(folder / "plain")))


def test_data_without_a_short_sentence_is_refused(folder: Path, tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "long.jsonl", [TOO_LONG])
    with pytest.raises(ValueError, match="expected a hypothesis of 1 to 6 words, got none"):
        evaluate_adversary(options(folder, data=data))


@pytest.mark.parametrize("name", ["num_sentences", "num_particles"])
def test_counts_below_one_are_refused(name: str) -> None:
    values: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"expected {name} >= 1, got 0"):
        EvaluateAdversaryConfig(**values)
