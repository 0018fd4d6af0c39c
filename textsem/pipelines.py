"""The attack as a Hugging Face pipeline: ``textsem.pipeline("nli-attack")``, or transformers' own after `register`.

A pair goes in as a dict, its result comes out as a dict with the fields of ``results.jsonl``.  A pair's result does not
depend on the pairs that are attacked with it: alone, in a list or in batches of 64 it is the same, to the last digit.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import Any

import transformers
from transformers import AutoConfig, AutoModel
from transformers.pipelines import PIPELINE_REGISTRY
from transformers.pipelines.base import Pipeline

from textsem.attacks.runner import attack_chunk
from textsem.data.given import GivenChunk, GivenPair, read_pair, with_label_names
from textsem.evaluation.assembly import GIVEN, AttackAssembler
from textsem.evaluation.identity import BUNDLED_MODEL
from textsem.evaluation.result_lines import to_line
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.runs.devices import check_device
from textsem.transformers_model import NliAttackConfig, NliAttackModel

__all__ = ["TASK", "NliAttackPipeline", "pipeline", "register"]

TASK = "nli-attack"
BATCH_SIZE = 64
NAMES = (str, os.PathLike)
Base: Any = Pipeline  # transformers is typed in part, and otherwise from version to version
# Of the options of the main job, those that make sense for pairs in memory.
RUN_ALONE = {
    "data_label_order",
    "data",
    "split",
    "limit",
    "target",
    "model",
    "output",
    "resume",
    "device",
    "batch_size",
    "controls",
    "judges",
}
OPTIONS = {field.name for field in fields(AttackSnliConfig)} - RUN_ALONE
# What a call may name besides.
PARTS = {"device", "model", "target"}
# Passed on by transformers.pipeline, which has read them already.
READ_ELSEWHERE = {"local_files_only", "torch_dtype", "trust_remote_code"}


def register() -> None:
    """Teach transformers the model type and the task; a second call does nothing.

    Afterwards ``AutoConfig`` and ``AutoModel`` load adversaries, and ``transformers.pipeline("nli-attack")`` works.
    """
    AutoConfig.register(NliAttackConfig.model_type, NliAttackConfig, exist_ok=True)
    AutoModel.register(NliAttackConfig, NliAttackModel, exist_ok=True)
    if TASK in PIPELINE_REGISTRY.get_supported_tasks():
        return
    PIPELINE_REGISTRY.register_pipeline(
        TASK,
        pipeline_class=NliAttackPipeline,
        pt_model=NliAttackModel,
        default={"model": (str(BUNDLED_MODEL), "main")},
        type="text",
    )
    # With this mark transformers would copy our source into every folder that is saved, to be run as remote code.
    del NliAttackPipeline._registered_impl


def pipeline(task: str = TASK, model: Any = None, **options: Any) -> "NliAttackPipeline":
    """Return an attack that is called with pairs.

    Args:
        task: ``nli-attack``.
        model: ``bundled`` (or None), a folder, a hub id, a `TextAdversary` or an `NliAttackModel`.
        options: What ``transformers.pipeline`` takes (``device``, ``dtype``, ``batch_size``, ``revision``,
            ``token`` ...) and what `NliAttackPipeline` takes (``target``, ``max_queries``, ``seed`` ...).

    Raises:
        ValueError: If the task is another one, or a part cannot be loaded.

    Example:
        >>> attack = pipeline("nli-attack", max_queries=20)
        >>> pair = {"premise": "A man plays a guitar.", "hypothesis": "A man makes music.", "label": "entailment"}
        >>> attack(pair)["hypothesis"]
        'A man makes music.'
    """
    register()
    if task != TASK:
        raise ValueError(f"expected the task {TASK}, got {task!r}: transformers.pipeline has the others")
    if model is None or model == "bundled":
        model = str(BUNDLED_MODEL)
    elif isinstance(model, TextAdversary):
        model = NliAttackModel.from_adversary(model)
    elif isinstance(model, os.PathLike):
        model = os.fspath(model)
    make: Any = transformers.pipeline
    made: NliAttackPipeline = make(task, model=model, **options)
    return made


class NliAttackPipeline(Base):  # type: ignore[misc]
    """Attack premise-hypothesis pairs; made by `pipeline`.

    Called with a dict (``premise``, ``hypothesis`` and perhaps ``label``, by the names that data sets give them), it
    returns a dict; with a list, a tuple or a column of such dicts, a list; with a generator, a data set or a
    ``KeyDataset``, an iterator that takes pairs as it goes.  A pair without a label is attacked from the target's own
    prediction.  A pair that cannot be asked comes back with ``status`` ``error`` and the reason as ``message``.

    The options, at the start and at each call, are those of ``scripts/attack_snli.py`` that concern one pair
    (``access``, ``max_queries``, ``goal``, ``seed`` ...), and:

    - ``target``: ``bundled``, a folder, a hub id, a URL, a ``Target``, a text-classification pipeline, or any function
      from pairs to probabilities or labels;
    - ``num_return_sequences``: that many adversarials are looked for; if above 1, a list of dicts stands for each pair;
    - ``batch_size``: pairs attacked together (64);
    - ``device`` and ``dtype``: of the target and the filter models.  The adversary computes in float32 on the CPU.
    """

    _load_tokenizer = False
    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_video_processor = False
    _pipeline_calls_generate = False
    modelcard: Any = None  # transformers 5.0 asks for it where a pipeline is saved, and sets it nowhere

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("batch_size", BATCH_SIZE)
        super().__init__(*args, **_with_precision(options))  # which throws a dtype away
        self.model.to("cpu")  # where its draws do not depend on the machine; `device` is for target and filters
        self._assembler = AttackAssembler()

    def _sanitize_parameters(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Sort the options: those of the attack are read where pairs are attacked, one where results are written."""
        known = {name: value for name, value in _with_precision(options).items() if name not in READ_ELSEWHERE}
        unknown = sorted(set(known) - OPTIONS - PARTS)
        if unknown:
            wanted = ", ".join(sorted({*OPTIONS, *PARTS, "dtype"}))
            raise ValueError(f"expected options among {wanted}, got {', '.join(unknown)}")
        several = {"num_return_sequences": known["num_return_sequences"]} if "num_return_sequences" in known else {}
        return {}, known, several

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Attack one pair, or many; see the class.

        Raises:
            TypeError: If the input is neither a dict nor a collection of dicts.
            ValueError: If an option is unknown or out of range, or a part cannot be loaded.
            TargetError: If the target does not answer.
        """
        batch_size = options.pop("batch_size", None)
        batch_size = self._batch_size if batch_size is None else batch_size
        if batch_size < 1:
            raise ValueError(f"expected batch_size >= 1, got {batch_size}")
        if isinstance(inputs, Mapping):
            return super().__call__(inputs, **options)
        if not isinstance(inputs, Iterable) and hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"):
            data = inputs  # a torch data set, such as a KeyDataset
            inputs = (data[i] for i in range(len(data)))
        if isinstance(inputs, str | bytes) or not isinstance(inputs, Iterable):
            raise TypeError(
                f"expected a dict with premise, hypothesis and perhaps label, or many, got {type(inputs).__name__}"
            )
        # Not transformers' own loop: it looks at the first input, and versions differ in what they read ahead.
        num_workers = options.pop("num_workers", 0)
        given = self._sanitize_parameters(**options)
        known = (self._preprocess_params, self._forward_params, self._postprocess_params)
        params = [{**first, **call} for first, call in zip(known, given, strict=True)]
        found = self.get_iterator(with_label_names(inputs), num_workers, batch_size, *params)
        return list(found) if isinstance(inputs, Sequence) else found

    def get_iterator(
        self,
        inputs: Iterable[Any],
        num_workers: int,
        batch_size: int,
        preprocess_params: Mapping[str, Any],
        forward_params: Mapping[str, Any],
        postprocess_params: Mapping[str, Any],
    ) -> Iterator[Any]:
        """Yield a result for each input, taking ``batch_size`` of them at a time; workers are not used."""
        rows = (self.preprocess(row, index=i, **preprocess_params) for i, row in enumerate(inputs))
        while batch := [pair for row in islice(rows, batch_size) for pair in row["pairs"]]:
            for found in self.forward({"pairs": batch}, **forward_params)["results"]:
                yield self.postprocess({"results": [found]}, **postprocess_params)

    def preprocess(self, input_: Any, index: int = 0) -> dict[str, list[GivenPair]]:
        """Return the pair, checked."""
        return {"pairs": [read_pair(input_, index)]}

    def _forward(
        self,
        input_tensors: dict[str, list[GivenPair]],
        *,
        target: Any = "bundled",
        model: Any = None,
        device: Any = None,
        **options: Any,
    ) -> dict[str, list[list[AttackResult]]]:
        """Attack a batch of pairs; return the results of each."""
        check_device(None if device is None else str(device))
        given_target = None if isinstance(target, NAMES) else target
        given_adversary = None if isinstance(model, NAMES) else getattr(model or self.model, "adversary", model)
        config = AttackSnliConfig(
            target=os.fspath(target) if given_target is None else GIVEN,
            model=os.fspath(model) if given_adversary is None else GIVEN,
            device=str(device or self.device),
            **options,
        )
        loaded = self._assembler.assemble(config, given_target=given_target, given_adversary=given_adversary)
        chunk = GivenChunk(input_tensors["pairs"])
        found: list[list[AttackResult]] = [[] for _ in chunk.pairs]
        for result in attack_chunk(chunk, loaded.target, loaded.attack):
            found[result.index - chunk.start].append(result)
        return {"results": found}

    def postprocess(
        self, model_outputs: dict[str, list[list[AttackResult]]], *, num_return_sequences: int = 1
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Return one pair's results as in ``results.jsonl``: a dict, or a list of them where several were wanted."""
        (results,) = model_outputs["results"]
        lines = [json.loads(to_line(result)) for result in results]
        return lines if num_return_sequences > 1 else lines[0]


def _with_precision(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with a ``dtype``, a name or torch's own, spelled out as those of target and filters."""
    rest = {name: value for name, value in options.items() if name != "dtype"}
    dtype = options.get("dtype")
    if dtype in (None, "auto"):
        return rest
    precision = str(dtype).removeprefix("torch.")
    return {"target_precision": precision, "filter_precision": precision, **rest}
