"""Ours, the controls, other searches and other packages side by side: same target, pairs and judges, one table."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from textsem.arae import ARAE
from textsem.constraints.sentence_encoder import SentenceEncoder
from textsem.data.nli import load_nli
from textsem.evaluation.compare_runs import NATURAL, OURS, PEERS, PeersPlace, Runner, Scene, is_finished
from textsem.evaluation.compare_tables import attack_row, draw_valid_curves, headline, to_markdown
from textsem.evaluation.filters import load_filters
from textsem.evaluation.identity import identify_model, model_folder
from textsem.evaluation.judging import ENCODER_VARIABLE, Jury, JuryConfig, judgements_of, load_jury
from textsem.evaluation.results import RESULTS_NAME, SUMMARY_NAME, read_results
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target

__all__ = ["ATTACKS", "FILE_NAMES", "CompareConfig", "compare_attacks"]

ATTACKS = (*OURS, *NATURAL, *PEERS)
FILE_NAMES = ("compare.md", "compare.json", "compare.png")


@dataclass(frozen=True)
class CompareConfig:
    """Every option of ``scripts/compare_attacks.py``.

    Args:
        judges: NLI models that judge, by name or folder; the first one scores.
        peers_script: The peers' side of the pipe, ``scripts/peers/textattack_peer.py``.
        peers_python: Interpreter of the peers' environment.
        attacks: Names from ``ATTACKS`` to run; others that are finished in ``output`` stand in the table as well.
        output: Folder of the table; each attack has a folder of its name in it.
        data: As in ``AttackSnliConfig``; so are split, limit, target, model, seed, device and batch size.
        split: Which split.
        limit: Number of pairs from the start.
        target: Who is attacked.
        model: The adversary.
        arae: Folder of an ARAE with an inverter, in whose noise the attacks named ``-arae`` search; without it they are
            left out.
        max_queries: Budget of ours, the controls, the searches and constrained peers; other peers have their own.
        sentence_encoder: Folder or hub id, for judgement, for our constraint and for TextFooler; None for what
            TEXTSEM_SENTENCE_ENCODER names.
        min_similarity: Smallest similarity, of a valid success and for that constraint.
        lexical: Folder of word neighbours; None for what TEXTSEM_LEXICAL names.
        nltk_data: NLTK's data; None for what NLTK_DATA names.
        attack_options: Other options of ``AttackSnliConfig``, for ours and the controls; its filters hold for all that
            is constrained.
        seed: Seed of every run.
        device: Where models run; None for a GPU if there is one.
        batch_size: Most rows in one forward pass of the target.

    Raises:
        ValueError: If an attack is unknown, or there is no judge.
    """

    judges: tuple[str, ...]
    peers_script: str
    peers_python: str = ".venv-peers/bin/python"
    attacks: tuple[str, ...] = ATTACKS
    output: str = "runs/compare"
    data: str | None = None
    split: str = "test"
    limit: int = 300
    target: str = "bundled"
    model: str = "bundled"
    arae: str | None = None
    max_queries: int = 100
    sentence_encoder: str | None = None
    min_similarity: float = 0.80
    lexical: str | None = None
    nltk_data: str | None = None
    attack_options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str | None = None
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check the names; lists become tuples."""
        object.__setattr__(self, "judges", tuple(self.judges))
        object.__setattr__(self, "attacks", tuple(self.attacks))
        unknown = [name for name in self.attacks if name not in ATTACKS]
        if unknown:
            raise ValueError(f"expected attacks among {', '.join(ATTACKS)}, got {', '.join(unknown)}")
        if self.arae is None and self.attacks == ATTACKS:
            object.__setattr__(self, "attacks", tuple(name for name in ATTACKS if not _needs_arae(name)))
        wanting = [name for name in self.attacks if _needs_arae(name)]
        if wanting and self.arae is None:
            raise ValueError(f"expected the folder of an ARAE (--arae) for {', '.join(wanting)}, got none")
        if not self.judges:
            raise ValueError("expected at least one judge, got none")

    def attack_config(self) -> AttackSnliConfig:
        """Return the options of our own attack."""
        names = (
            *("data", "split", "limit", "target", "model", "max_queries", "seed", "device", "batch_size"),
            *("sentence_encoder", "min_similarity"),
        )
        try:
            return AttackSnliConfig(**{**{name: getattr(self, name) for name in names}, **self.attack_options})
        except TypeError as error:
            raise ValueError(f"expected attack_options to be those of AttackSnliConfig: {error}") from error


def _needs_arae(name: str) -> bool:
    return name in NATURAL and NATURAL[name][2]


def compare_attacks(config: CompareConfig, *, show_progress: bool = False) -> dict[str, Any]:
    """Run what is not finished, judge all with the same models, and write ``FILE_NAMES``.

    Args:
        config: The options.
        show_progress: Draw a progress bar for each attack on standard error.

    Returns:
        What ``compare.json`` holds.

    Raises:
        ValueError: If an option, the data or a model does not fit, or a judge took part.
        PeerError: If a peer's process fails; what was written stays, and the same call continues.
    """
    Processes.current().expect_alone("a comparison of attacks")
    scene = _load_scene(config)
    jury = _load_jury(config, scene)
    folder = Path(config.output)
    place = PeersPlace(config.peers_python, config.peers_script, config.lexical, config.nltk_data)
    runner = Runner(scene, place, folder)
    for name in ATTACKS:
        if name in config.attacks:
            runner.run(name, show_progress=show_progress)
    finished = [name for name in ATTACKS if is_finished(folder / name, runner.settings(name), scene)]
    rows, notes = [], {}
    for name in finished:
        results = read_results(folder / name / RESULTS_NAME)
        summary = json.loads((folder / name / SUMMARY_NAME).read_text(encoding="utf-8"))
        rows.append(
            attack_row(
                name,
                results,
                judgements_of(folder / name, results, jury),
                judge=next(iter(jury.judges)),
                thresholds=jury.thresholds,
                pairs_per_second=summary["pairs_per_second"] or None,
            )
        )
        if note := _note(summary, rows[-1]):
            notes[name] = note
    facts = {
        "pairs": len(scene.data),
        "attacked": rows[0]["valid"]["of"] if rows else 0,
        "headline": headline(rows, ours=next(iter(OURS))),
        "target": f"{scene.identity['target']['name']}, {scene.data.identity.source} ({scene.data.identity.split})",
        "judge": next(iter(jury.judges)),
        "thresholds": f"similarity at least {jury.thresholds.min_similarity}, perplexity at most "
        f"{jury.thresholds.max_perplexity_ratio} times the original's, no new unknown word",
        "budget": f"{config.max_queries} queries",
        "constraints": ", ".join(constraint.name for constraint in scene.constraints) or "none",
        "notes": notes,
    }
    found = {**facts, "identity": dict(scene.identity), "measured_by": jury.identity, "rows": rows}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.md").write_text(to_markdown(rows, facts), encoding="utf-8")
    (folder / "compare.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draw_valid_curves(folder / "compare.png", rows)
    return found


def _load_scene(config: CompareConfig) -> Scene:
    options = config.attack_config()
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
    name = config.sentence_encoder or os.environ.get(ENCODER_VARIABLE) or None
    encoder = None if name is None else SentenceEncoder(name, device=device)
    filters = load_filters(options.filter_config(), model)
    identity = {
        "adversary": identify_model(config.model, BUNDLED_MODEL),
        "target": identify_model(config.target, BUNDLED_TARGET),
        "sentence_encoder": None if name is None else identify_model(name, Path(name)),
        **filters.identity,
    }
    target = load_target(config.target, device=device, batch_size=config.batch_size, label_order=options.label_order)
    data = load_nli(config.data, split=config.split, limit=config.limit)
    arae = None if config.arae is None else ARAE.from_pretrained(config.arae)
    if config.arae is not None:
        identity["arae"] = identify_model(config.arae, Path(config.arae))
    return Scene(options, data, target, model, encoder, filters.constraints, identity, arae)


def _load_jury(config: CompareConfig, scene: Scene) -> Jury:
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    judged = JuryConfig(config.judges, config.sentence_encoder, config.min_similarity, device=device)
    took_part = {role: identity for role, identity in scene.identity.items() if identity is not None}
    folder = model_folder(config.model, BUNDLED_MODEL)
    return load_jury(judged, scene.model.language_model, folder, took_part=took_part)


def _note(summary: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Say what of a peer was replaced, and which pairs an attack could not take."""
    replaced = (summary.get("peer") or {}).get("replaced") or {}
    parts = [f"{what}: {by}" for what, by in replaced.items()]
    parts += [f"{row['unsupported']} pairs too long, its failures"] if row["unsupported"] else []
    if row["errors"]:
        parts.append(f"{row['errors']} pairs ended with an error, its failures, first: {summary['first_error']}")
    return "; ".join(parts)
