"""Adversaries with other decoders or embeddings side by side: same target, pairs and judges, one table, one page."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from textsem.data.nli import NliData, load_nli
from textsem.evaluation.compare_runs import Scene
from textsem.evaluation.compare_tables import headline
from textsem.evaluation.decoder_cases import TIMES_NAME, Sentences, measure_model, time_models
from textsem.evaluation.decoder_judge import JUDGE_NAME, load_trigram
from textsem.evaluation.decoder_page import choose_examples, write_examples
from textsem.evaluation.decoder_runs import (
    CONTROLS,
    OWN,
    JudgedPairs,
    attack_figures,
    compare_with,
    run_attacks,
    scoring_judge,
)
from textsem.evaluation.decoder_tables import to_markdown
from textsem.evaluation.decoder_verdict import judge_claim
from textsem.evaluation.filters import load_filters
from textsem.evaluation.identity import identify_model, model_folder
from textsem.evaluation.judging import Jury, JuryConfig, load_jury
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.runs.versions import package_versions
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target

__all__ = ["FILE_NAMES", "CompareDecodersConfig", "compare_decoders"]

FILE_NAMES = ("decoders.md", "decoders.json", "examples.html")
PLAIN_NAME = re.compile(r"\w[\w.+-]*")


@dataclass(frozen=True)
class CompareDecodersConfig:
    """Every option of ``scripts/compare_decoders.py``.

    Args:
        models: Adversaries as NAME=FOLDER, ``bundled`` for the folder of the bundled one; times are relative to the
            first.  Each has a folder of its name in ``output``.
        judges: NLI models that judge, by name or folder; the first one scores.
        controls: From ``CONTROLS``: what stands beside E'.
        data: As in ``AttackSnliConfig``; so are split, limit, target, seed, device and batch size.
        split: Which split.
        limit: Number of pairs from the start, for attacks and free text; 0 for all.
        target: Who is attacked.
        sentence_encoder: Folder or hub id; None for what TEXTSEM_SENTENCE_ENCODER names.
        attack_options: Other options of ``AttackSnliConfig``, for E' and the controls of every model.
        lm_data: Files, folders or hub ids for the trigram that judges all texts; none takes the bundled adversary's.
        num_sentences: Sentences that are reconstructed: the split's first different ones that every model takes.
        output: Folder of the table and the page.
        seed: Seed of every run, of free text and of the examples.
        device: Where target, judges and encoder run; None for a GPU if there is one.
        batch_size: Most rows in one forward pass of the target.

    Raises:
        ValueError: If a model has no folder, or a name is taken twice or none for a folder; if there is no judge; if a
            control is unknown; if an option of the attack is unknown or belongs to the comparison.
    """

    models: tuple[str, ...]
    judges: tuple[str, ...]
    controls: tuple[str, ...] = ("isotropic", "clean")
    data: str | None = None
    split: str = "test"
    limit: int = 300
    target: str = "bundled"
    sentence_encoder: str | None = None
    attack_options: Mapping[str, Any] = field(default_factory=dict)
    lm_data: tuple[str, ...] = ()
    num_sentences: int = 1000
    output: str = "runs/compare_decoders"
    seed: int = 0
    device: str | None = None
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check the options; lists become tuples."""
        for name in ("models", "judges", "controls", "lm_data"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self.folders()
        unknown = [name for name in self.controls if name not in CONTROLS]
        if unknown:
            raise ValueError(f"expected controls among {', '.join(CONTROLS)}, got {', '.join(unknown)}")
        if not self.judges:
            raise ValueError("expected at least one judge, got none")
        if self.num_sentences < 1:
            raise ValueError(f"expected num_sentences >= 1, got {self.num_sentences}")
        self.attack_config("bundled")

    def folders(self) -> dict[str, str]:
        """Return each model's folder by its name, in order."""
        found: dict[str, str] = {}
        for given in self.models:
            name, separator, folder = given.partition("=")
            if not separator or not folder or not PLAIN_NAME.fullmatch(name):
                raise ValueError(f"expected models as NAME=FOLDER, NAME of letters, digits, . + and -, got {given!r}")
            if name in found or name in (*FILE_NAMES, TIMES_NAME, JUDGE_NAME):
                raise ValueError(f"expected another name for each model, got {name!r} for {folder}, which is taken")
            found[name] = folder
        if not found:
            raise ValueError("expected at least one model as NAME=FOLDER, got none")
        return found

    def attack_config(self, folder: str) -> AttackSnliConfig:
        """Return the options of the attack with the adversary of a folder."""
        names = ("data", "split", "limit", "target", "sentence_encoder", "seed", "device", "batch_size")
        own = {**{name: getattr(self, name) for name in names}, "model": folder}
        taken = {*own, "candidates_from", "output", "resume", "judges", "controls"}
        known = {option.name for option in fields(AttackSnliConfig)} - taken
        strange = sorted(set(self.attack_options) - known)
        if strange:
            raise ValueError(f"expected attack_options among {', '.join(sorted(known))}, got {', '.join(strange)}")
        return AttackSnliConfig(**{**own, **self.attack_options})


def compare_decoders(config: CompareDecodersConfig, *, show_progress: bool = False) -> dict[str, Any]:
    """Run and measure what is not there yet, judge all with the same models, and write ``FILE_NAMES``.

    Args:
        config: The options.
        show_progress: Draw a progress bar for each attack on standard error.

    Returns:
        What ``decoders.json`` holds.

    Raises:
        ValueError: If an option, the data or a model does not fit, or a judge took part.
    """
    Processes.current().expect_alone("a comparison of decoders")
    folder, folders = Path(config.output), config.folders()
    models = {name: TextAdversary.from_pretrained(model_folder(own, BUNDLED_MODEL)) for name, own in folders.items()}
    data = load_nli(config.data, split=config.split, limit=config.limit)
    sentences = Sentences.taken_by_all(data, _whole_split(config, data), models, num_sentences=config.num_sentences)
    scenes = _scenes(config, models, data)
    jury, fitted_on = _load_jury(config, folder, scenes)

    judged: dict[str, dict[str, JudgedPairs]] = {}
    measured: dict[str, dict[str, Any]] = {}
    for name, scene in scenes.items():
        judged[name] = run_attacks(scene, folder / name, config.controls, jury, show_progress=show_progress)
        measured[name] = measure_model(scene, folder / name, sentences, jury)
    times = time_models(scenes, folder, sentences)

    rows = {
        name: {
            "folder": folders[name],
            "decoder": models[name].config.decoder_name,
            "encoder": models[name].config.encoder_name,
            "identity": scenes[name].identity["adversary"],
            **{key: value for key, value in measured[name].items() if key != "texts"},
            "attacks": _attacks(judged[name], jury),
            "versus_first": _versus_first(judged, name, jury),
            "times": times[name],
        }
        for name in folders
    }
    first = next(iter(scenes.values()))
    found = {
        "verdict": judge_claim(rows),
        "headlines": {name: headline(list(row["attacks"]["rows"].values()), ours=OWN) for name, row in rows.items()},
        "pairs": len(data),
        "taken_by_all": len(sentences.indices),
        "sentences": len(sentences.reconstructed),
        "models": rows,
        "settings": asdict(config),
        "data": asdict(data.identity),
        "notice": data.notice,
        "took_part": {role: one for role, one in first.identity.items() if role != "adversary"},
        "judge": scoring_judge(jury),
        "thresholds": asdict(jury.thresholds),
        "measured_by": {**jury.identity, "language_model_fitted_on": fitted_on},
        "versions": package_versions(),
    }
    _write(folder, found, judged, measured, sentences, jury)
    return found


def _write(
    folder: Path,
    found: Mapping[str, Any],
    judged: Mapping[str, Mapping[str, JudgedPairs]],
    measured: Mapping[str, Mapping[str, Any]],
    sentences: Sentences,
    jury: Jury,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / FILE_NAMES[0]).write_text(to_markdown(found), encoding="utf-8")
    (folder / FILE_NAMES[1]).write_text(text + "\n", encoding="utf-8")
    examples = choose_examples(
        {name: runs[OWN] for name, runs in judged.items()},
        {name: figures["texts"] for name, figures in measured.items()},
        sentences.indices,
        jury,
        seed=found["settings"]["seed"],
    )
    write_examples(folder / FILE_NAMES[2], examples, found)


def _whole_split(config: CompareDecodersConfig, data: NliData) -> NliData:
    return load_nli(config.data, split=config.split, limit=0) if config.limit else data


def _scenes(config: CompareDecodersConfig, models: Mapping[str, TextAdversary], data: NliData) -> dict[str, Scene]:
    """Return what each model's attacks share; target and filters are the same for all."""
    scenes: dict[str, Scene] = {}
    for name, own in config.folders().items():
        options = config.attack_config(own)
        identity = {"adversary": identify_model(own, BUNDLED_MODEL)}
        if not scenes:
            target = load_target(
                config.target,
                device=options.device_name(),
                batch_size=config.batch_size,
                label_order=options.label_order,
            )
            filters = load_filters(options.filter_config(), models[name])
            shared = {"target": identify_model(config.target, BUNDLED_TARGET), **filters.identity}
        scenes[name] = Scene(options, data, target, models[name], None, (), {**identity, **shared})
    return scenes


def _load_jury(config: CompareDecodersConfig, folder: Path, scenes: Mapping[str, Scene]) -> tuple[Jury, Any]:
    """Return who judges, and what the trigram was fitted on."""
    options = next(iter(scenes.values())).config
    trigram, trigram_folder, fitted_on = load_trigram(config.lm_data, folder)
    judges = JuryConfig(config.judges, config.sentence_encoder, options.min_similarity, device=options.device_name())
    took_part = {f"{role} ({name})": one for name, scene in scenes.items() for role, one in scene.identity.items()}
    jury = load_jury(judges, trigram, trigram_folder, took_part=took_part)
    if jury.encoder is None:
        raise ValueError("expected a sentence encoder, by option or in TEXTSEM_SENTENCE_ENCODER, got none")
    return jury, fitted_on


def _attacks(runs: Mapping[str, JudgedPairs], jury: Jury) -> dict[str, Any]:
    """Return the figures of E' and its controls, and E' held against each control."""
    return {
        "rows": {name: attack_figures(name, pairs, jury) for name, pairs in runs.items()},
        "paired": {name: compare_with(runs[OWN], pairs, jury) for name, pairs in runs.items() if name != OWN},
    }


def _versus_first(judged: Mapping[str, Mapping[str, JudgedPairs]], name: str, jury: Jury) -> dict[str, Any] | None:
    """Return E' of a model held against E' of the first one; None for the first itself."""
    first = next(iter(judged))
    return None if name == first else compare_with(judged[name][OWN], judged[first][OWN], jury)
