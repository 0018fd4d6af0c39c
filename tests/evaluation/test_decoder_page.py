"""The page: so many examples a model, the same pairs for all, and nothing that a sentence says is taken for markup."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.decoder_fakes import many_pairs, small_jury
from textsem.evaluation.decoder_page import Example, choose_examples, write_examples
from textsem.evaluation.decoder_runs import JudgedPairs

NUM_PAIRS = 30
FOUND: dict[str, Any] = {
    "notice": None,
    "verdict": {"text": "The claim: <not decided>."},
    "models": {"one": {"decoder": "transpose_cnn"}, "two": {"decoder": "language_model"}},
    "settings": {"seed": 3, "attack_options": {}},
    "data": {"source": "pairs.jsonl"},
    "took_part": {"target": {"name": "bundled"}},
    "judge": "first",
}


def free_text(text: str) -> dict[str, list[dict[str, Any]]]:
    own = {"text": text, "perplexity_ratio": 1.25, "similarity": 0.5, "changed_words": 1}
    return {source: [own] * NUM_PAIRS for source in ("reconstruction", "adversarial", "isotropic")}


def choose(*, seed: int = 3, hypothesis: str = "A man sleeps.", pairs: JudgedPairs | None = None) -> list[Example]:
    pairs = pairs or many_pairs(NUM_PAIRS, hypothesis=hypothesis)
    attacks = {"one": pairs, "two": many_pairs(NUM_PAIRS, hypothesis=hypothesis)}
    texts = {"one": free_text("A cat sleeps."), "two": free_text("A <b>dog</b> sleeps.")}
    return choose_examples(attacks, texts, range(NUM_PAIRS), small_jury(), seed=seed)


def test_page_holds_twenty_examples_a_model(tmp_path: Path) -> None:
    examples = choose()
    write_examples(tmp_path / "page.html", examples, FOUND)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 20
    assert page.count('<tr class="model">') == 40
    for name in FOUND["models"]:
        assert len(re.findall(rf'<th scope="row" class="name">{name}<', page)) == 20
    assert page.count("perplexity ratio 1.25") == 40
    told = [own for example in examples for own in example.models.values()]
    assert page.count("not flipped") == sum(own.attacked is None for own in told) > 0
    assert page.count("Not valid: similarity") == sum(bool(own.failed) for own in told) > 0
    assert page.count("neutral &rarr; entailment") == sum(own.attacked is not None for own in told)
    assert page.count("Premise: People run.") == 20


def test_sentences_are_no_markup(tmp_path: Path) -> None:
    write_examples(tmp_path / "page.html", choose(hypothesis='A <script>man</script> & "dog" sleeps.'), FOUND)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>" not in page
    assert "A &lt;script&gt;man&lt;/script&gt; &amp; &#34;dog&#34; sleeps." in page
    assert "&lt;not decided&gt;" in page


def test_seed_alone_chooses_and_all_models_get_the_same_pairs() -> None:
    drawn = [example.result.index for example in choose()]
    assert drawn == [example.result.index for example in choose()]
    assert drawn == sorted(set(drawn))
    assert drawn != [example.result.index for example in choose(seed=4)]
    for example in choose():
        assert {own.result.index for own in example.models.values()} == {example.result.index}


def test_pairs_that_the_target_had_wrong_are_not_drawn(tmp_path: Path) -> None:
    results, judgements = many_pairs(NUM_PAIRS)
    wrong = [replace(r, status="skipped", label="entailment") if r.index >= 5 else r for r in results]
    assert [example.result.index for example in choose(pairs=(wrong, judgements))] == [0, 1, 2, 3, 4]
    none = [replace(r, status="skipped", label="entailment") for r in results]
    write_examples(tmp_path / "page.html", choose(pairs=(none, judgements)), FOUND)
    assert "There is none" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("notice", ["demo <pairs>"])
def test_notice_comes_first(tmp_path: Path, notice: str) -> None:
    write_examples(tmp_path / "page.html", choose(), {**FOUND, "notice": notice})
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index("demo &lt;pairs&gt;") < page.index("<h1>")
