"""An attack put together from its options: target, adversary, filters, source.  The run and the pipeline share it."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textsem.attacks.controls import make_source
from textsem.attacks.manifold import ManifoldConfig
from textsem.attacks.runner import CandidateAttack
from textsem.evaluation.filters import FilterConfig, Filters, load_filters
from textsem.evaluation.identity import BUNDLED_MODEL, identify_model, model_folder
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.model import TextAdversary
from textsem.protocols import Target
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target
from textsem.targets.metering import MeteredTarget
from textsem.targets.objects import as_target
from textsem.text.pretrained import load_pretrained

__all__ = ["GIVEN", "AttackAssembler", "LoadedAttack", "load_adversary"]

GIVEN = "given"  # stands for the name of a part that came as an object


@dataclass(frozen=True)
class LoadedAttack:
    """Everything that takes part in an attack.

    Args:
        target: The classifier under attack, its rows counted.
        attack: What is done to each pair.
        adversary: Where candidates come from.
        codes: How codes are moved and decoded.
        identity: Models that take part, by role.
    """

    target: MeteredTarget
    attack: CandidateAttack
    adversary: TextAdversary
    codes: ManifoldConfig
    identity: dict[str, dict[str, str | None]]


class AttackAssembler:
    """Load the parts of attacks, each once: a second attack with other options takes over what is the same."""

    def __init__(self) -> None:
        self._memory: dict[str, tuple[Hashable, Any]] = {}

    def assemble(
        self, config: AttackSnliConfig, *, given_target: Any = None, given_adversary: TextAdversary | None = None
    ) -> LoadedAttack:
        """Return the attack of these options.

        Args:
            config: The options.
            given_target: An object or a function that is attacked in place of what ``config.target`` names; see
                `as_target`.
            given_adversary: An adversary that works in place of the one that ``config.model`` names.

        Raises:
            ValueError: If an option, the target or the adversary does not fit.
        """
        attack_config = config.attack_config()
        target = self._target(config, given_target)
        adversary = given_adversary or self._adversary(config)
        _check_decoder(config, adversary)
        origin: Hashable = given_adversary or config.model
        codes = config.codes_config(adversary.config.num_particles)
        filters = self._filters(config, adversary, origin)
        source = self._recall(
            "source",
            (origin, config.candidates_from, codes),
            lambda: make_source(config.candidates_from, adversary, codes),
        )
        attack = CandidateAttack(source, attack_config, constraints=filters.steps, ranker=filters.ranker)
        identity = {
            "adversary": self._identity("adversary", config.model, BUNDLED_MODEL, is_given=given_adversary is not None),
            "target": self._identity("target", config.target, BUNDLED_TARGET, is_given=given_target is not None),
            **filters.identity,
        }
        return LoadedAttack(target, attack, adversary, codes, identity)

    def _target(self, config: AttackSnliConfig, given: Any) -> MeteredTarget:
        order = config.label_order
        options: dict[str, Any] = {
            "device": config.device_name(),
            "batch_size": config.batch_size,
            "label_order": order,
            "dtype": config.target_precision,
        }
        if given is not None:
            key, load = (given, order), lambda: as_target(given, label_order=order)
        else:
            key, load = (config.target, *options.values()), lambda: load_target(config.target, **options)
        target: Target = self._recall("target", key, load)
        metered: MeteredTarget = self._recall(
            "metered", (target, config.access), lambda: MeteredTarget(target, access=config.access)
        )
        return metered

    def _adversary(self, config: AttackSnliConfig) -> TextAdversary:
        adversary: TextAdversary = self._recall("adversary", config.model, lambda: load_adversary(config.model))
        return adversary

    def _filters(self, config: AttackSnliConfig, adversary: TextAdversary, origin: Hashable) -> Filters:
        filter_config: FilterConfig = config.filter_config()
        filters: Filters = self._recall(
            "filters", (origin, filter_config), lambda: load_filters(filter_config, adversary)
        )
        return filters

    def _identity(self, role: str, name: str, bundled: Path, *, is_given: bool) -> dict[str, str | None]:
        """Return who takes part; a folder's digest takes as long as reading all of it."""
        found: dict[str, str | None] = self._recall(
            f"identity of {role}", (name, is_given), lambda: _identity(name, bundled, is_given=is_given)
        )
        return found

    def _recall(self, role: str, key: Hashable, load: Any) -> Any:
        """Return what was loaded for this role if it was loaded by the same key, else load it and forget the other."""
        known = self._memory.get(role)
        if known is None or known[0] != key:
            known = self._memory[role] = (key, load())
        return known[1]


def load_adversary(name: str) -> TextAdversary:
    """Load an adversary by name: ``bundled``, a folder, or a hub id.

    Raises:
        ValueError: If there is none, or a file of it is missing or does not fit the others.
    """
    folder = model_folder(name, BUNDLED_MODEL)
    if name == "bundled" or folder.is_dir() or not _may_be_hub_id(name):
        return TextAdversary.from_pretrained(folder)
    from textsem.transformers_model import NliAttackModel

    def load(is_local: bool) -> TextAdversary:
        return NliAttackModel.from_pretrained(name, local_files_only=is_local).adversary

    loaded: TextAdversary = load_pretrained(name, load, kind="an adversary")
    return loaded


def _check_decoder(config: AttackSnliConfig, adversary: TextAdversary) -> None:
    found = adversary.config.decoder_name
    if config.decoder not in (None, found):
        raise ValueError(
            f"expected an adversary with decoder {config.decoder}, got {found} in {config.model}: name the folder of "
            f"one with --model; textsem train adversary --decoder {config.decoder} makes one"
        )


def _may_be_hub_id(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def _identity(name: str, bundled: Path, *, is_given: bool) -> dict[str, str | None]:
    """Return who takes part."""
    if is_given:
        return {"name": GIVEN, "sha256": None}
    return identify_model(name, bundled)
