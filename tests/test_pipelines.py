"""The pipeline: a pair in, the run's own line out, alone or with others.  Over 300 lines: one surface, many inputs."""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import transformers
from torch import Tensor
from transformers.pipelines.pt_utils import KeyDataset

from tests.builders import TINY_DECODERS, build_tiny_adversary, config_with_decoder
from tests.decoders.tiny_language_models import word_piece_tokenizer
from textsem import AttackResult, NliAttackPipeline, TextAdversary, load_target, pipeline, register
from textsem.evaluation.run import attack_snli
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.protocols import Target
from textsem.text.labels import LABEL_NAMES

HF: Any = transformers  # typed in part, and otherwise from version to version
OPTIONS: dict[str, Any] = {"max_queries": 12, "num_candidates": 40}
PAIRS = [
    {"premise": "A man in a red shirt plays a guitar on the street.", "hypothesis": "A man is playing music outside."},
    {"premise": "Two dogs run across a beach.", "hypothesis": "The dogs are running."},
    {"premise": "A woman reads a book in a park.", "hypothesis": "A woman is sleeping at home."},
    {"premise": "Children are playing football in the rain.", "hypothesis": "The children play for a school team."},
    {"premise": "An old man sits on a bench.", "hypothesis": "An old man is sitting."},
    {
        "premise": "A girl rides a horse over a field.",
        "hypothesis": "A girl rides her brown horse home in the evening.",
    },
]
LABELS = ["entailment", "entailment", "contradiction", "neutral", "entailment", "neutral"]
LABELLED = [{**pair, "label": label} for pair, label in zip(PAIRS, LABELS, strict=True)]
PAIR = LABELLED[0]


@pytest.fixture(scope="module")
def attack() -> Iterator[NliAttackPipeline]:
    """Return the bundled attack with a small budget; shared, so that no test may change it."""
    HF.utils.logging.disable_progress_bar()
    yield pipeline("nli-attack", **OPTIONS)
    HF.utils.logging.enable_progress_bar()


@pytest.fixture(scope="module")
def results(attack: NliAttackPipeline) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = attack(LABELLED)
    return found


class Watched:
    """Passes pairs on to the bundled target and remembers them."""

    def __init__(self) -> None:
        self.target = load_target("bundled")
        self.label_names = self.target.label_names
        self.rows: list[tuple[str, str]] = []
        self.sizes: list[int] = []

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.rows += zip(premises, hypotheses, strict=True)
        self.sizes.append(len(premises))
        return self.target.predict(premises, hypotheses)


def test_result_is_a_dict_of_plain_json_with_the_fields_of_a_line(results: list[dict[str, Any]]) -> None:
    for i, result in enumerate(results):
        assert list(result) == [field.name for field in fields(AttackResult)]
        assert json.loads(json.dumps(result)) == result
        assert result["index"] == i
    assert {"success", "failed"} <= {result["status"] for result in results}


def test_results_are_the_lines_of_the_main_job(results: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in LABELLED))
    attack_snli(AttackSnliConfig(data=str(tmp_path / "pairs.jsonl"), output=str(tmp_path / "run"), **OPTIONS))
    lines = (tmp_path / "run" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == results


@pytest.mark.parametrize("batch_size", [1, 4])
def test_batches_change_nothing(batch_size: int, attack: NliAttackPipeline, results: list[dict[str, Any]]) -> None:
    assert attack(LABELLED, batch_size=batch_size) == results


def test_pair_alone_gets_the_result_it_gets_in_a_list(attack: NliAttackPipeline, results: list[dict[str, Any]]) -> None:
    assert attack(LABELLED[3]) == {**results[3], "index": 0}


def test_every_kind_of_input_gives_the_same_results(attack: NliAttackPipeline, results: list[dict[str, Any]]) -> None:
    rows = datasets.Dataset.from_list(LABELLED)
    column = datasets.Dataset.from_list([{"pair": pair} for pair in LABELLED])
    assert attack(tuple(LABELLED)) == results
    assert attack(column["pair"]) == results
    for stream in (iter(LABELLED), rows, KeyDataset(column, "pair"), rows.to_iterable_dataset()):
        found = attack(stream)
        assert not isinstance(found, list)
        assert list(found) == results
    assert attack([]) == []
    assert list(attack(iter([]))) == []


def test_generator_is_read_a_batch_ahead_and_no_further(attack: NliAttackPipeline) -> None:
    read = 0

    def endless() -> Iterator[dict[str, str]]:
        nonlocal read
        while True:
            read += 1
            yield LABELLED[read % len(LABELLED)]

    found = attack(endless(), batch_size=2)
    assert read == 0
    next(iter(found))
    assert read == 2


def test_class_numbers_of_a_data_set_are_read_by_its_own_names(attack: NliAttackPipeline) -> None:
    names = ["contradiction", "entailment", "neutral"]
    kinds = {"premise": datasets.Value("string"), "hypothesis": datasets.Value("string")}
    features = datasets.Features({**kinds, "label": datasets.ClassLabel(names=names)})
    rows = datasets.Dataset.from_list(LABELLED, features=features)
    assert [result["label"] for result in attack(rows)] == LABELS


@pytest.mark.parametrize("label", [None, -1, "-", ""])
def test_pair_without_a_label_is_attacked_from_the_targets_prediction(label: Any, attack: NliAttackPipeline) -> None:
    result = attack({**PAIRS[2], "label": label})
    assert result["label"] == result["prediction"]
    assert result == attack({**PAIRS[2], "label": result["prediction"]}) == attack(PAIRS[2])


def test_columns_may_be_called_as_in_snli(attack: NliAttackPipeline, results: list[dict[str, Any]]) -> None:
    renamed = {"sentence1": PAIR["premise"], "sentence2": PAIR["hypothesis"], "gold_label": "E"}
    assert attack(renamed) == results[0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**PAIR, "hypothesis": "  "}, "expected text as hypothesis in row 2 of the input, got '  '"),
        ({**PAIR, "premise": None}, "expected text as premise in row 2 of the input, got None"),
        ({**PAIR, "hypothesis": 7}, "expected text as hypothesis in row 2 of the input, got 7"),
        ({**PAIR, "label": "maybe"}, "expected entailment, neutral, contradiction"),
        ({**PAIR, "hypothesis": "a \ud800 dog"}, "lone surrogate"),
        ({"premise": "a man"}, "expected hypothesis in row 2 of the input, got keys premise"),
        ({}, "expected premise and hypothesis in row 2 of the input, got keys none"),
        ("a man", "expected a dict with premise, hypothesis and perhaps label as row 2 of the input, got 'a man'"),
        (None, "as row 2 of the input, got None"),
    ],
)
def test_bad_row_is_an_error_and_the_others_go_on(
    row: Any, message: str, attack: NliAttackPipeline, results: list[dict[str, Any]]
) -> None:
    found = attack([LABELLED[0], row, LABELLED[2]])
    assert found[1]["status"] == "error"
    assert message in found[1]["message"]
    json.dumps(found[1]).encode()
    assert [found[0], found[2]] == [results[0], results[2]]


@pytest.mark.parametrize(
    "text", ["👍🏽 a dog", "كلب يجري", "a\x00b", "a\u202eb\u2028c", "x" * 500, "狗 在 跑", "word " * 10_000]
)
def test_strange_text_is_taken_as_it_is(text: str, attack: NliAttackPipeline) -> None:
    result = attack({"premise": text, "hypothesis": text})
    assert result["hypothesis"] == text
    assert result["status"] in {"success", "failed", "unsupported"}


def test_several_adversarials_are_distinct_and_the_best_comes_first(
    attack: NliAttackPipeline, results: list[dict[str, Any]]
) -> None:
    i = next(i for i, result in enumerate(results) if result["status"] == "success")
    found = attack(LABELLED[i], num_return_sequences=3, max_queries=100)
    assert 1 < len(found) <= 3
    assert len({result["adversarial"] for result in found}) == len(found)
    assert found[0]["adversarial"] == results[i]["adversarial"]
    for result in found:
        assert result["adversarial_prediction"] != result["label"]
    many = attack(LABELLED, num_return_sequences=2)
    assert [lines[0]["index"] for lines in many] == list(range(len(LABELLED)))
    failed = next(result for result in results if result["status"] != "success")
    assert many[failed["index"]] == [failed]


def test_options_of_a_call_hold_for_that_call(attack: NliAttackPipeline, results: list[dict[str, Any]]) -> None:
    few = attack(LABELLED, max_queries=1)
    assert max(result["queries"] for result in few) == 1
    plain = [attack(LABELLED, decoding="single", filter_model="none", seed=seed) for seed in (0, 0, 5)]
    assert plain[0] == plain[1] != plain[2]
    labels = attack(LABELLED, access="label")
    assert {p for r in labels for scores in r["scores"].values() for p in scores.values()} == {0.0, 1.0}
    assert attack(LABELLED) == results


def test_files_of_the_models_are_read_once_and_not_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def remember(name: str, bundled: Path) -> dict[str, str | None]:
        read.append(name)
        return {"name": name, "sha256": None}

    monkeypatch.setattr("textsem.evaluation.assembly.identify_model", remember)
    attack = pipeline("nli-attack", max_queries=1, num_candidates=1)
    attack(PAIR)
    once = list(read)
    attack(LABELLED[1])
    assert read == once != []


def test_queries_are_the_rows_that_the_target_saw(attack: NliAttackPipeline, results: list[dict[str, Any]]) -> None:
    watched = Watched()
    assert isinstance(watched, Target)
    assert attack(LABELLED, target=watched, filter_model="none") == results
    assert len(watched.rows) == sum(result["queries"] + 1 for result in results)
    assert max(watched.sizes) == len(LABELLED)
    asked = {(r["premise"], r["adversarial"]) for r in results if r["adversarial"]}
    assert asked <= set(watched.rows)


def save_tiny_classifier(folder: Path) -> Path:
    """Write a BERT of random weights that reads the words of ``tests/builders.py``."""
    tokenizer = word_piece_tokenizer(is_bert=True)
    tokenizer.save_pretrained(folder)
    config = HF.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(LABEL_NAMES)),
        label2id={name: i for i, name in enumerate(LABEL_NAMES)},
        initializer_range=0.8,
    )
    HF.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_classifier_of_transformers_is_attacked_by_folder_and_as_a_pipeline(
    attack: NliAttackPipeline, tmp_path: Path
) -> None:
    folder = save_tiny_classifier(tmp_path)
    by_folder = attack(PAIRS, target=folder)
    assert by_folder == attack(PAIRS, target=str(folder))
    model = HF.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = HF.AutoTokenizer.from_pretrained(folder)
    classify = HF.pipeline("text-classification", model=model, tokenizer=tokenizer)
    by_object = attack(PAIRS, target=classify)
    assert [result["prediction"] for result in by_object] == [result["prediction"] for result in by_folder]
    for found, wanted in zip(by_object, by_folder, strict=True):
        assert found["scores"]["original"] == pytest.approx(wanted["scores"]["original"], abs=1e-3)
    with pytest.raises(TypeError, match=r"expected a target, got the bare model Bert.*: give its folder"):
        attack(PAIRS, target=model)
    with pytest.raises(TypeError, match="expected a target: a name, an object with predict"):
        attack(PAIRS, target=3)


def about_dogs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return ["entailment" if "dog" in hypothesis.lower() else "neutral" for _, hypothesis in pairs]


@pytest.mark.parametrize(
    "target",
    [
        about_dogs,
        lambda pairs: [[float(label == name) for name in LABEL_NAMES] for label in about_dogs(pairs)],
        lambda pairs: [{"label": label, "score": 0.9} for label in about_dogs(pairs)],
    ],
)
def test_function_is_attacked_by_labels_or_probabilities(
    target: Callable[[Sequence[tuple[str, str]]], Any], attack: NliAttackPipeline
) -> None:
    result = attack(LABELLED[1], target=target, goal="flip")
    assert (result["prediction"], result["status"]) == ("entailment", "success")
    assert "dog" not in result["adversarial"].lower()
    two = attack(
        LABELLED[1], target=lambda pairs: [[0.1, 0.9]] * len(pairs), label_order=("not_entailment", "entailment")
    )
    assert (two["prediction"], two["status"]) == ("entailment", "failed")
    assert list(two["scores"]["original"]) == ["entailment", "not_entailment"]


def test_function_that_raises_costs_the_pair_that_it_raises_on(attack: NliAttackPipeline) -> None:
    def target(pairs: Sequence[tuple[str, str]]) -> list[str]:
        if any("horse" in premise for premise, _ in pairs):
            raise ZeroDivisionError("no horses")
        return about_dogs(pairs)

    found = attack(PAIRS, target=target)
    assert [result["status"] == "error" for result in found] == ["horse" in pair["premise"] for pair in PAIRS]
    assert found[-1]["message"] == "ZeroDivisionError: no horses"


@pytest.mark.parametrize("name", sorted(TINY_DECODERS))
def test_every_decoder_attacks_through_the_pipeline(name: str, tmp_path: Path) -> None:
    adversary = build_tiny_adversary(config_with_decoder(name))
    adversary.save_pretrained(tmp_path)
    for model in (adversary, tmp_path, str(tmp_path)):
        attack = pipeline(model=model, target=lambda pairs: ["neutral"] * len(pairs), goal="flip", **OPTIONS)
        assert isinstance(attack.model.adversary, TextAdversary)
        result = attack({"premise": "a man sleeps.", "hypothesis": "the dog runs."})
        assert (result["status"], result["prediction"]) == ("failed", "neutral")
        assert result["queries"] > 0
    with pytest.raises(ValueError, match=f"expected an adversary with decoder .*, got {name}"):
        attack(PAIR, decoder=next(other for other in TINY_DECODERS if other != name))


def test_transformers_makes_the_same_pipeline_once_it_knows_the_task(results: list[dict[str, Any]]) -> None:
    register()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register()
    made = HF.pipeline("nli-attack", **OPTIONS)
    assert isinstance(made, NliAttackPipeline)
    assert made(LABELLED) == results


def test_saved_pipeline_is_loaded_by_name_and_holds_no_code(
    attack: NliAttackPipeline, results: list[dict[str, Any]], tmp_path: Path
) -> None:
    attack.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    config = json.loads((tmp_path / "config.json").read_text())
    assert "auto_map" not in config
    assert "custom_pipelines" not in config
    made = HF.pipeline("nli-attack", model=str(tmp_path), local_files_only=True, **OPTIONS)
    assert made(LABELLED) == results
    assert HF.pipeline("nli-attack", model=attack.model, **OPTIONS)(LABELLED[1]) == {**results[1], "index": 0}


def test_half_precision_is_for_target_and_filters(attack: NliAttackPipeline, tmp_path: Path) -> None:
    folder = str(save_tiny_classifier(tmp_path))
    half = pipeline(target=folder, dtype="bfloat16", **OPTIONS)
    assert attack(PAIRS[0], target=folder, target_precision="bfloat16", filter_precision="bfloat16") == half(PAIRS[0])
    with pytest.raises(ValueError, match="expected dtype float32 for a word-level target, got bfloat16"):
        attack(PAIRS[0], target_precision="bfloat16")


def test_another_adversary_serves_a_call_and_leaves_the_next_alone(
    attack: NliAttackPipeline, results: list[dict[str, Any]], tmp_path: Path
) -> None:
    tiny = build_tiny_adversary()
    tiny.save_pretrained(tmp_path, dtype=torch.float32)

    def asked(model: Any) -> list[tuple[str, str]]:
        rows: list[tuple[str, str]] = []

        def remember(pairs: list[tuple[str, str]]) -> list[str]:
            rows.extend(pairs)
            return ["neutral"] * len(pairs)

        pair = {"premise": "a man sleeps.", "hypothesis": "the dog runs."}
        attack(pair, model=model, target=remember, goal="flip", device="cpu")
        return rows

    by_bundled, by_tiny = asked(None), asked(tiny)
    assert by_tiny == asked(tmp_path) == asked(str(tmp_path)) != by_bundled == asked("bundled")
    assert attack(LABELLED) == results


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "expected batch_size >= 1, got 0"),
        ({"max_querys": 3}, "expected options among access, .*, got max_querys"),
        ({"output": "here"}, "expected options among .*, got output"),
        ({"max_queries": 0}, "expected max_queries >= 1, got 0"),
        ({"max_queries": "3"}, "expected a whole number as max_queries, got '3'"),
        ({"seed": 0.5}, "expected a whole number as seed, got 0.5"),
        ({"eps": "wide"}, "expected a number as eps, got 'wide'"),
        ({"label_order": ["e", "e", "n"]}, r"expected the labels entailment, .*, got \[e, e, n\] in label_order"),
        ({"device": "nonsense"}, "expected a device that torch can use here, .*, got 'nonsense'"),
        ({"access": "all"}, "expected access to be one of score, label, gradient, got 'all'"),
        ({"target": "no/such-classifier"}, "expected a folder or a hub id, got 'no/such-classifier'"),
    ],
)
def test_bad_option_is_one_clear_error(options: dict[str, Any], message: str, attack: NliAttackPipeline) -> None:
    for inputs in (PAIR, [PAIR]):
        with pytest.raises(ValueError, match=message):
            attack(inputs, **options)


@pytest.mark.parametrize("inputs", ["a man sleeps", b"a man", 3, None])
def test_what_is_no_pair_and_no_collection_is_refused(inputs: Any, attack: NliAttackPipeline) -> None:
    with pytest.raises(TypeError, match="expected a dict with premise, hypothesis and perhaps label, or many, got"):
        attack(inputs)


def test_other_task_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the task nli-attack, got 'ner': transformers"):
        pipeline("ner")
