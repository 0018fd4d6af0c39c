"""Run one attack of a comparison into its folder: ours and the controls, the natural-adversary searches, the peers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from textsem.arae import ARAE
from textsem.attacks.arae_space import noise_space
from textsem.attacks.code_spaces import AdversaryCodeSpace, AdversaryCodeSpaceConfig, CodeSpace
from textsem.attacks.natural_adversary import NaturalAdversary, NaturalAdversaryConfig
from textsem.attacks.runner import PairAttack, ResultSink, run_attack
from textsem.constraints.sentence_encoder import SentenceEncoder
from textsem.data.nli import NliData
from textsem.evaluation.metrics import summarise
from textsem.evaluation.peer_process import PeerProcess
from textsem.evaluation.peers import PeerAttack, PeerAttackConfig, PeerName, WhileAlive, peer_command
from textsem.evaluation.results import (
    RESULTS_NAME,
    SUMMARY_NAME,
    ResultsWriter,
    RunFacts,
    begin_run,
    read_results,
    resume_run,
    write_summary,
)
from textsem.evaluation.run import attack_snli
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.latent.shells import HybridShrinkingSearch, IterativeStochasticSearch, ShellSearch
from textsem.model import TextAdversary
from textsem.protocols import Constraint, Target
from textsem.targets.metering import MeteredTarget

__all__ = ["NATURAL", "OURS", "PEERS", "PeersPlace", "Runner", "Scene", "is_finished"]

# What a comparison may name, in the order of its table: options of our own attack.
OURS: dict[str, dict[str, Any]] = {
    "ours": {"candidates_from": "adversarial"},
    "clean": {"candidates_from": "clean"},
    "isotropic": {"candidates_from": "isotropic"},
    "basis": {"candidates_from": "basis"},
    "neighbours": {"candidates_from": "neighbours"},
    "reconstruction": {"candidates_from": "reconstruction"},
    "ours-single": {"candidates_from": "adversarial", "decoding": "single"},
    "clean-single": {"candidates_from": "clean", "decoding": "single"},
    "isotropic-single": {"candidates_from": "isotropic", "decoding": "single"},
}
# Name: search, whether our constraints are asked, and whether it searches the noise of an ARAE's generator, as
# published, and not our adversary's codes; our budget holds for all.
NATURAL: dict[str, tuple[ShellSearch, bool, bool]] = {
    "natural-stochastic": (IterativeStochasticSearch(), False, False),
    "natural-stochastic-constrained": (IterativeStochasticSearch(), True, False),
    "natural-shrinking": (HybridShrinkingSearch(), False, False),
    "natural-shrinking-constrained": (HybridShrinkingSearch(), True, False),
    "natural-stochastic-arae": (IterativeStochasticSearch(), False, True),
    "natural-stochastic-arae-constrained": (IterativeStochasticSearch(), True, True),
    "natural-shrinking-arae": (HybridShrinkingSearch(), False, True),
    "natural-shrinking-arae-constrained": (HybridShrinkingSearch(), True, True),
}
# Name: recipe, and whether our constraints are asked and our budget holds; without both it runs as published.
PEERS: dict[str, tuple[PeerName, bool]] = {
    "deepwordbug": ("deepwordbug", False),
    "deepwordbug-constrained": ("deepwordbug", True),
    "pwws": ("pwws", False),
    "pwws-constrained": ("pwws", True),
    "textfooler": ("textfooler", False),
    "textfooler-constrained": ("textfooler", True),
    "genetic": ("genetic", False),
    "genetic-constrained": ("genetic", True),
}

# Fields of a run's settings that change no line; the pairs themselves are compared by their digest.
NOT_COMPARED = ("data", "split", "limit", "output", "resume", "device", "batch_size", "controls", "judges")


@dataclass(frozen=True)
class PeersPlace:
    """Where peers live.

    Args:
        python: Interpreter of their environment.
        script: Their side of the pipe.
        lexical: Folder or file of word neighbours; None for what TEXTSEM_LEXICAL names.
        nltk_data: NLTK's data; None for what NLTK_DATA names.
    """

    python: str
    script: str
    lexical: str | None = None
    nltk_data: str | None = None


@dataclass(frozen=True)
class Scene:
    """What all attacks of a comparison share.

    Args:
        config: Target, pairs, budget and seed, and the options of our own attack.
        data: The pairs, loaded.
        target: The target, loaded; each attack gets its own meter on it.
        model: The adversary, loaded.
        encoder: What encodes sentences for peers, or None.
        constraints: What a candidate of a constrained attack must meet, as ours must.
        identity: Who adversary, target, filter model, encoder and ARAE are, by role.
        arae: What the searches of that name move in, or None.
    """

    config: AttackSnliConfig
    data: NliData
    target: Target
    model: TextAdversary
    encoder: SentenceEncoder | None
    constraints: Sequence[Constraint]
    identity: Mapping[str, Any]
    arae: ARAE | None = None


class Runner:
    """Run attacks by name, each into the folder of that name under the comparison's.

    Args:
        scene: What they share.
        peers: Where peers live.
        folder: The comparison's folder.
    """

    def __init__(self, scene: Scene, peers: PeersPlace, folder: Path) -> None:
        self.scene = scene
        self.peers = peers
        self.folder = folder

    def settings(self, name: str) -> dict[str, Any]:
        """Return what the summary of the attack's run will give as its settings.

        Raises:
            ValueError: If there is no such attack.
        """
        config = self.scene.config
        if name in OURS:
            options = replace(config, **OURS[name], output=str(self.folder / name))
            return dict(json.loads(json.dumps(asdict(options))))
        shared = {"target": config.target, "access": config.access, "seed": config.seed, "output": name}
        limits = {k: v for k, v in asdict(config.filter_config()).items() if k not in NOT_COMPARED}
        asked = {"constraints": [constraint.name for constraint in self.scene.constraints], "limits": limits}
        not_asked: dict[str, Any] = {"constraints": []}
        if name in NATURAL:
            search, is_constrained, _ = NATURAL[name]
            own = {"candidates_from": name, "max_queries": config.max_queries, "search": repr(search)}
            return {**shared, **own, **(asked if is_constrained else not_asked), "model": config.model}
        if name in PEERS:
            recipe, is_constrained = PEERS[name]
            return {
                **shared,
                "candidates_from": f"textattack:{recipe}",
                "max_queries": config.max_queries if is_constrained else None,
                **(asked if is_constrained else not_asked),
            }
        raise ValueError(f"expected an attack among {', '.join([*OURS, *NATURAL, *PEERS])}, got {name!r}")

    def run(self, name: str, *, show_progress: bool = False) -> None:
        """Run an attack, or what is left of it, unless it is finished."""
        folder = self.folder / name
        if is_finished(folder, self.settings(name), self.scene):
            return
        # A run that was cut off has settings and no summary; one with other settings is begun anew.
        is_cut_off = (folder / RESULTS_NAME).is_file() and not (folder / SUMMARY_NAME).is_file()
        if name in OURS:
            config = replace(self.scene.config, **OURS[name], output=str(folder), resume=is_cut_off)
            attack_snli(config, show_progress=show_progress)
        elif name in NATURAL:
            self._run_natural(name, is_cut_off=is_cut_off, show_progress=show_progress)
        else:
            self._run_peer(name, is_cut_off=is_cut_off, show_progress=show_progress)

    def _run_natural(self, name: str, *, is_cut_off: bool, show_progress: bool) -> None:
        config = self.scene.config
        search, is_constrained, is_arae = NATURAL[name]
        space = self._noise_space(name) if is_arae else self._code_space()
        constraints = self.scene.constraints if is_constrained else ()
        limits = NaturalAdversaryConfig(config.max_queries, config.seed)
        attack = NaturalAdversary(space, search, limits, constraints=constraints)
        self._begin(name, is_cut_off=is_cut_off)
        with ResultsWriter(self.folder / name / RESULTS_NAME) as writer:
            self._attack(name, attack, writer, show_progress=show_progress)

    def _code_space(self) -> CodeSpace:
        config, model = self.scene.config, self.scene.model
        num_particles = config.num_particles or model.config.num_particles
        return AdversaryCodeSpace(model, AdversaryCodeSpaceConfig(num_particles, config.seed))

    def _noise_space(self, name: str) -> CodeSpace:
        if self.scene.arae is None:
            raise ValueError(f"expected the folder of an ARAE (--arae) for {name}, got none")
        return noise_space(self.scene.arae)

    def _run_peer(self, name: str, *, is_cut_off: bool, show_progress: bool) -> None:
        config, (recipe, is_constrained) = self.scene.config, PEERS[name]
        peer = PeerAttackConfig(recipe, config.max_queries if is_constrained else None, is_constrained, config.seed)
        place = self.peers
        command = peer_command(peer, python=place.python, script=place.script, neighbours=place.lexical)
        environment = {} if place.nltk_data is None else {"NLTK_DATA": place.nltk_data}
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        with PeerProcess(command, log=folder / "peer.log", environment=environment) as process:
            attack = PeerAttack(
                process,
                peer,
                constraints=self.scene.constraints if is_constrained else (),
                encoder=self.scene.encoder,
                language_model=self.scene.model.language_model,
            )
            self._begin(name, is_cut_off=is_cut_off)
            with ResultsWriter(folder / RESULTS_NAME) as writer:
                self._attack(name, attack, WhileAlive(writer, process), show_progress=show_progress, peer=process.facts)

    def _begin(self, name: str, *, is_cut_off: bool) -> None:
        settings = {**self.settings(name), "sha256": self.scene.data.identity.sha256, "identity": self.scene.identity}
        (resume_run if is_cut_off else begin_run)(self.folder / name, settings)

    def _attack(
        self,
        name: str,
        attack: PairAttack,
        sink: ResultSink,
        *,
        show_progress: bool,
        peer: Mapping[str, Any] | None = None,
    ) -> None:
        """Attack the pairs that have no line yet, and write the summary."""
        folder, data = self.folder / name, self.scene.data
        target = MeteredTarget(self.scene.target, access=self.scene.config.access)
        num_completed = len(read_results(folder / RESULTS_NAME))
        statistics = run_attack(data, target, attack, sink, num_completed=num_completed, show_progress=show_progress)
        results = read_results(folder / RESULTS_NAME)
        facts = RunFacts(
            settings=self.settings(name),
            seed=self.scene.config.seed,
            data={**asdict(data.identity), "dropped_unlabelled": data.dropped_unlabelled},
            model=self.scene.identity,
            rows_sent=sum(r.queries + (r.prediction is not None) for r in results),
            seconds=statistics.seconds,
            pairs_per_second=statistics.pairs / statistics.seconds if statistics.seconds else 0.0,
            notice=data.notice,
        )
        first_error = next((r.message for r in results if r.status == "error"), None)
        write_summary(
            folder / SUMMARY_NAME, {**summarise(results), "first_error": first_error, "peer": dict(peer or {})}, facts
        )


def is_finished(folder: Path, settings: Mapping[str, Any], scene: Scene) -> bool:
    """Tell whether a folder holds a whole run with these settings on these pairs and models."""
    path = folder / SUMMARY_NAME
    if not path.is_file():
        return False
    summary = json.loads(path.read_text(encoding="utf-8"))
    written = {role: identity for role, identity in summary["model"].items() if _depends_on(role, settings)}
    known = {role: identity for role, identity in scene.identity.items() if role in written}
    return bool(
        summary["data"]["sha256"] == scene.data.identity.sha256
        and _compared(summary["settings"]) == _compared(settings)
        and written == known
    )


def _depends_on(role: str, settings: Mapping[str, Any]) -> bool:
    """Tell whether another model in this role would change an attack's lines: our filters change none as published."""
    name = settings["candidates_from"]
    uses_arae = name in NATURAL and NATURAL[name][2]
    if role == "arae":
        return uses_arae
    if settings.get("constraints") != []:
        return True
    # Of TextAttack's recipes the genetic one alone asks the adversary, for its trigram.
    uses_adversary = not name.startswith("textattack:") or name == "textattack:genetic"
    return role in {"target", "sentence_encoder"} or (role == "adversary" and uses_adversary and not uses_arae)


def _compared(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in NOT_COMPARED}
