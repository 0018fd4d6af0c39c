"""Attack hypotheses with a recipe of TextAttack, for another process that owns the target.

Runs in the environment of requirements.txt beside this file and knows nothing of textsem.  Both processes write JSON
lines; this one reads standard input, writes standard output, and logs to standard error:

    here  {"ready": {"package": "textattack 0.3.11", "replaced": {what: by what}}}
    there {"attack": {"premise": ..., "hypothesis": ..., "label": 1, "seed": 7}}
    here  {"predict": [[premise, hypothesis], ...]}                        there {"probabilities": [[...], ...]}
    here  {"accept": {"premises", "originals", "candidates", "labels"}}    there {"accepted": [true, ...]}
    here  {"encode": [text, ...]}                                          there {"embeddings": [[...], ...]}
    here  {"next_word": {"previous": word, "words": [...]}}                there {"log_probabilities": [...]}
    here  {"result": {"adversarial": text or null, "error": message or null}}

The answer {"error": message} makes the pair fail.  A recipe builds its attack itself; only what it would download is
replaced, and the premise is kept from all change, which DeepWordBug's and PWWS's recipes do not ask for.
"""

# mypy: disable-error-code="import-not-found"
# Its packages are in another environment.

import argparse
import gzip
import json
import os
import random
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

RECIPES = {
    "deepwordbug": "DeepWordBugGao2018",
    "pwws": "PWWSRen2019",
    "textfooler": "TextFoolerJin2019",
    "genetic": "GeneticAlgorithmAlzantot2018",
}
COLUMNS = ["premise", "hypothesis"]
REPLACED: dict[str, dict[str, str]] = {
    "deepwordbug": {},
    "pwws": {"Princeton WordNet 3.0": "the WordNet in the NLTK data folder (Open English WordNet 2024)"},
    "textfooler": {
        "counter-fitted vectors (50 neighbours, cosine at least 0.5)": "list of up to 8 counter-fitted neighbours",
        "universal sentence encoder": "textsem's sentence encoder, the same angular threshold (0.84)",
    },
    "genetic": {
        "counter-fitted vectors (8 neighbours, squared distance at most 0.5)": "list of up to 8 counter-fitted "
        "neighbours",
        "1-billion-words language model (top 4 a word)": "textsem's trigram (top 4 a word)",
    },
}


class Pipe:
    """JSON lines to and from the process that owns the target."""

    def __init__(self, reader: TextIO, writer: TextIO) -> None:
        self._reader, self._writer = reader, writer

    def send(self, message: dict[str, Any]) -> None:
        """Write one line."""
        self._writer.write(json.dumps(message) + "\n")
        self._writer.flush()

    def receive(self) -> dict[str, Any] | None:
        """Read one line; None where the other side has closed."""
        line = self._reader.readline()
        return json.loads(line) if line else None

    def ask(self, message: dict[str, Any], answer: str) -> Any:
        """Send a request and return the answer of that name."""
        self.send(message)
        reply = self.receive()
        if reply is None:
            raise SystemExit(0)
        if answer not in reply:
            raise RuntimeError(str(reply.get("error", f"expected {answer}, got {sorted(reply)}")))
        return reply[answer]


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Attack hypotheses with TextAttack for a parent process.")
    parser.add_argument("--attack", required=True, choices=sorted(RECIPES))
    parser.add_argument("--max-queries", type=int, help="most rows for one pair (default: the recipe's own budget)")
    parser.add_argument("--constrained", action="store_true", help="ask the parent about every candidate as well")
    parser.add_argument("--neighbours", help="json.gz of word to neighbours (default: TEXTSEM_LEXICAL)")
    return parser.parse_args(arguments)


def read_neighbours(name: str | None) -> dict[str, list[str]]:
    """Read the neighbour list: a file, or a folder with counterfitted_neighbours.json.gz in it."""
    given = name or os.environ.get("TEXTSEM_LEXICAL")
    if not given:
        raise SystemExit("expected the neighbour list by --neighbours or TEXTSEM_LEXICAL, got neither")
    path = Path(given)
    path = path / "counterfitted_neighbours.json.gz" if path.is_dir() else path
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return dict(json.load(file))


def replace_downloads(options: argparse.Namespace, pipe: Pipe) -> None:
    """Put what the recipes would download in terms of local files and of questions to the parent."""
    import nltk
    import torch
    from textattack.attack_recipes import genetic_algorithm_alzantot_2018 as genetic
    from textattack.attack_recipes import textfooler_jin_2019 as textfooler
    from textattack.constraints import Constraint
    from textattack.constraints.grammaticality.language_models.google_language_model import google_language_model
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder
    from textattack.shared import AbstractWordEmbedding
    from textattack.transformations import WordSwapEmbedding

    nltk.download = lambda *args, **kwargs: False
    if options.attack not in ("textfooler", "genetic"):
        return
    neighbours = read_neighbours(options.neighbours)

    class NeighbourList(AbstractWordEmbedding):  # type: ignore[misc, unused-ignore]
        """Knows a word's neighbours and no vectors; a word is its own index."""

        def __getitem__(self, index: Any) -> Any:
            raise LookupError("the list of neighbours has no vectors")

        def get_mse_dist(self, a: Any, b: Any) -> float:
            raise LookupError("the list of neighbours has no distances")

        def get_cos_sim(self, a: Any, b: Any) -> float:
            raise LookupError("the list of neighbours has no cosines")

        def word2index(self, word: str) -> str:
            if word not in neighbours:
                raise KeyError(word)
            return word

        def index2word(self, index: str) -> str:
            return index

        def nearest_neighbours(self, index: str, topn: int) -> list[str]:
            return neighbours[index][:topn]

    class WithinList(Constraint):  # type: ignore[misc, unused-ignore]
        """Accepts all: the list has near neighbours only."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(compare_against_original=True)

        def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
            return True

    class ParentsEncoder(SentenceEncoder):  # type: ignore[misc, unused-ignore]
        """Lets the parent encode."""

        def encode(self, sentences: Sequence[str]) -> Any:
            distinct = list(dict.fromkeys(sentences))
            rows = dict(zip(distinct, pipe.ask({"encode": distinct}, "embeddings"), strict=True))
            return torch.tensor([rows[text] for text in sentences])

    class ParentsLanguageModel:
        """Lets the parent tell how likely words are after a word."""

        def get_words_probs(self, prefix: str, words: Sequence[str]) -> list[float]:
            return list(pipe.ask({"next_word": {"previous": prefix, "words": list(words)}}, "log_probabilities"))

    def swap(max_candidates: int) -> Any:
        return WordSwapEmbedding(max_candidates, embedding=NeighbourList())

    textfooler.WordSwapEmbedding = genetic.WordSwapEmbedding = swap
    textfooler.WordEmbeddingDistance = genetic.WordEmbeddingDistance = WithinList
    textfooler.UniversalSentenceEncoder = ParentsEncoder
    google_language_model.GoogLMHelper = ParentsLanguageModel


def build_attack(options: argparse.Namespace, pipe: Pipe) -> tuple[Any, dict[str, Any]]:
    """Return the recipe's attack on the parent's target, and the pair under attack, which its constraint reads."""
    import textattack
    import torch
    from textattack import attack_recipes
    from textattack.constraints import Constraint
    from textattack.constraints.pre_transformation import InputColumnModification
    from textattack.models.wrappers import ModelWrapper

    pair: dict[str, Any] = {}

    class ParentsTarget(ModelWrapper):  # type: ignore[misc, unused-ignore]
        """Lets the parent predict."""

        model = None

        def __call__(self, text_input_list: Sequence[tuple[str, str]], **kwargs: Any) -> Any:
            return torch.tensor(pipe.ask({"predict": [list(row) for row in text_input_list]}, "probabilities"))

    class ParentsConstraints(Constraint):  # type: ignore[misc, unused-ignore]
        """Lets the parent accept or refuse hypotheses, all of a step in one question."""

        def __init__(self) -> None:
            super().__init__(compare_against_original=True)

        def _check_constraint_many(self, transformed_texts: Sequence[Any], reference_text: Any) -> list[Any]:
            candidates = [hypothesis_of(text) for text in transformed_texts]
            if not candidates:
                return []
            columns = {"premises": "premise", "originals": "hypothesis", "labels": "label"}
            question = {name: [pair[key]] * len(candidates) for name, key in columns.items()}
            accepted = pipe.ask({"accept": {**question, "candidates": candidates}}, "accepted")
            return [text for text, is_accepted in zip(transformed_texts, accepted, strict=True) if is_accepted]

        def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
            return bool(self._check_constraint_many([transformed_text], reference_text))

    attack = getattr(attack_recipes, RECIPES[options.attack]).build(ParentsTarget())
    fixed = attack.pre_transformation_constraints
    if not any(isinstance(constraint, InputColumnModification) for constraint in fixed):
        fixed.append(InputColumnModification(COLUMNS, {"premise"}))
    if options.max_queries is not None:
        # TextAttack counts its look at the unchanged pair as a query; the parent does not.
        attack.goal_function.query_budget = options.max_queries + 1
    if options.constrained:
        attack.constraints.append(ParentsConstraints())
        if hasattr(attack.search_method, "post_crossover_check"):
            attack.search_method.post_crossover_check = True  # else children of a crossover would escape
    print(f"textattack {textattack.__file__}\n{attack}", file=sys.stderr, flush=True)
    return attack, pair


def hypothesis_of(attacked_text: Any) -> str:
    """Return the hypothesis column of TextAttack's text."""
    return str(attacked_text._text_input["hypothesis"])


def attack_pair(attack: Any, pair: dict[str, Any]) -> dict[str, Any]:
    """Attack one pair; what raises becomes a message, since other pairs wait."""
    import numpy as np
    import torch
    from textattack.attack_results import SuccessfulAttackResult

    random.seed(pair["seed"])
    np.random.seed(pair["seed"])  # noqa: NPY002 - TextAttack draws from it
    torch.manual_seed(pair["seed"])
    attack.clear_cache()
    try:
        example = OrderedDict((column, pair[column]) for column in COLUMNS)
        found = attack.attack(example, pair["label"])
    except Exception as error:
        return {"adversarial": None, "error": f"{type(error).__name__}: {error}"}
    is_success = isinstance(found, SuccessfulAttackResult)
    return {"adversarial": hypothesis_of(found.perturbed_result.attacked_text) if is_success else None, "error": None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the parent closes the pipe."""
    options = parse_options(arguments)
    # Whatever else prints, prints to standard error.
    pipe = Pipe(sys.stdin, os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as cache:
        # With this file TextAttack believes that it has downloaded what it wants.
        Path(cache, "post_install_check_3").touch()
        os.environ.update(TA_CACHE_DIR=cache, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
        from importlib.metadata import version

        replace_downloads(options, pipe)
        attack, pair = build_attack(options, pipe)
        replaced = REPLACED[options.attack]
        pipe.send({"ready": {"package": f"textattack {version('textattack')}", "replaced": replaced}})
        while (message := pipe.receive()) is not None:
            pair.clear()
            pair.update(message["attack"])
            pipe.send({"result": attack_pair(attack, pair)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
