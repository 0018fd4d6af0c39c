"""The state of a training run, written so that a killed run goes on as if nothing had happened.

One file, replaced in one step: whoever reads it sees the old state or the new one, never half of each.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

__all__ = [
    "TRAINING_STATE_FILE",
    "TrainingParts",
    "has_training_state",
    "load_training_state",
    "save_training_state",
    "write_text",
]

TRAINING_STATE_FILE = "training_state.pt"


def save_training_state(
    folder: Path,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, Optimizer],
    generators: Mapping[str, torch.Generator],
    extra: Mapping[str, Any],
) -> None:
    """Write everything that the next training step depends on, torch's global random states included.

    Args:
        folder: Made if it does not exist; holds ``TRAINING_STATE_FILE``.
        modules: Networks by name: weights and buffers.
        optimisers: Optimisers by name.
        generators: Random generators by name.
        extra: Position, counters, settings: plain JSON types and tensors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "modules": {name: module.state_dict() for name, module in modules.items()},
        "optimisers": {name: optimiser.state_dict() for name, optimiser in optimisers.items()},
        "generators": {name: generator.get_state() for name, generator in generators.items()},
        "global_random_state": torch.get_rng_state(),
        "cuda_random_states": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "extra": dict(extra),
    }
    partial = folder / (TRAINING_STATE_FILE + ".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, folder / TRAINING_STATE_FILE)


def has_training_state(folder: Path) -> bool:
    """Tell whether ``folder`` holds a state to resume from."""
    return (folder / TRAINING_STATE_FILE).is_file()


def load_training_state(
    folder: Path,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, Optimizer],
    generators: Mapping[str, torch.Generator],
    *,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Put a saved state back into the given objects and into torch's global random states.

    Args:
        folder: Where ``save_training_state`` wrote.
        modules: The networks that were saved, by the same names; all keys must match.
        optimisers: Likewise.
        generators: Likewise.
        settings: What ``extra["settings"]`` of the state must be, compared before anything is put back.

    Returns:
        What was saved as ``extra``.

    Raises:
        ValueError: If there is no state, settings or names differ, or the weights do not fit.
    """
    path = folder / TRAINING_STATE_FILE
    if not path.is_file():
        raise ValueError(f"expected a training state to resume from in {folder}, found none")
    # To the CPU first: load_state_dict copies to where each parameter lives, random states must stay on the CPU.
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if settings is not None:
        differences = _differences(state["extra"].get("settings", settings), settings)
        if differences:
            raise ValueError(f"expected the settings of {path}: {'; '.join(differences)}")
    for kind, given in (("modules", modules), ("optimisers", optimisers), ("generators", generators)):
        if set(state[kind]) != set(given):
            raise ValueError(f"expected {kind} {sorted(state[kind])} as in {path}, got {sorted(given)}")
    for name, module in modules.items():
        try:
            module.load_state_dict(state["modules"][name], strict=True)
        except RuntimeError as error:
            raise ValueError(f"expected weights of {name} in {path} that fit the model: {error}") from error
    for name, optimiser in optimisers.items():
        optimiser.load_state_dict(state["optimisers"][name])
    for name, generator in generators.items():
        generator.set_state(state["generators"][name])
    torch.set_rng_state(state["global_random_state"])
    if state["cuda_random_states"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda_random_states"])
    extra: dict[str, Any] = state["extra"]
    return extra


@dataclass(frozen=True)
class TrainingParts:
    """What of a run has a state of its own, by name, so that all who take part can name theirs.

    Args:
        modules: Networks.
        optimisers: Theirs.
        generators: Random generators.
    """

    modules: dict[str, nn.Module]
    optimisers: dict[str, Optimizer]
    generators: dict[str, torch.Generator]

    def save(self, folder: Path, extra: Mapping[str, Any]) -> None:
        """Write them and ``extra``; see ``save_training_state``."""
        save_training_state(folder, self.modules, self.optimisers, self.generators, extra)

    def load(self, folder: Path, *, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Put a saved state back into them and return its ``extra``; see ``load_training_state``."""
        return load_training_state(folder, self.modules, self.optimisers, self.generators, settings=settings)


def _differences(saved: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return "name: old value, got new value" for whatever differs, however deep."""
    found = []
    for name in sorted({*saved, *given}):
        old, new = saved.get(name), given.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name} of {old!r}, got {new!r}")
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name and move it into place."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
