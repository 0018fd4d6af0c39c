"""What the processes of ``test_parallel.py`` run: every training, each process writing down what it has found."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.training import arae_toys
from tests.training.toys import CONFIG, NETWORK, PAIRS, build_run
from textsem.latent.state import state_to_tensors
from textsem.processes import Processes
from textsem.targets.loading import build_word_level_target
from textsem.training import cross_encoder
from textsem.training.adversary import AdversaryRun, train_adversary
from textsem.training.adversary_config import AdversaryTrainingConfig
from textsem.training.arae import train_arae
from textsem.training.cross_encoder import CrossEncoderConfig, train_cross_encoder
from textsem.training.labelled_pairs import build_vocabulary
from textsem.training.target import TargetTrainingConfig, train_target
from textsem.training.target_run import TargetRun

FIRST, SECOND = CONFIG.reconstruction_steps, CONFIG.reconstruction_steps + CONFIG.manifold_steps
# Signs of a basis, and SVGD's division by the size of a direction, turn rounding into jumps.
SMOOTH = replace(CONFIG, learner=replace(CONFIG.learner, direction="basis", svgd_update="plain"))
EVOLUTION = replace(SMOOTH, adversarial_gradient="evolution", num_negatives=None)
# One batch each: settings, decoder, number of the batch (hence the stage).
BATCHES: dict[str, tuple[AdversaryTrainingConfig, str | None, int]] = {
    "reconstruction": (SMOOTH, None, 0),
    "manifold": (SMOOTH, None, FIRST),
    "attack": (SMOOTH, None, SECOND),
    "evolution": (EVOLUTION, None, SECOND),
    "word by word": (SMOOTH, "language_model", 0),
}
# 36 pairs in batches of 7: the last has one pair, and of two processes one has none.
TARGET = TargetTrainingConfig(num_epochs=2, batch_size=7, unknown_rate=0.0)
RESUMED: dict[str, Any] = {"is_resumed": True}
CROSS_ENCODER = CrossEncoderConfig(batch_size=7, learning_rate=1e-3, precision="float32")


def one_batch(
    folder: Path, case: tuple[AdversaryTrainingConfig, str | None, int], processes: Processes
) -> dict[str, Tensor]:
    """Return weights before and after, Adam's first moments, losses, and what was asked of the target."""
    config, decoder, number = case
    torch.manual_seed(0)
    run = build_run(folder, config, processes=processes, decoder=decoder)
    found = {f"before {name}": value.clone() for name, value in run.model.state_dict().items()}
    found["losses"] = torch.tensor(list(run.step(number).values()))
    found |= {f"after {name}": value for name, value in run.model.state_dict().items()}
    moments = run.optimizer.state_dict()["state"]
    found |= {f"moment {i}": moments[i]["exp_avg"] for i in moments}
    assert run.attacker is not None
    found["requested"] = torch.tensor(run.attacker.counts()["training"]["rows_requested"])
    return found


def outcome(run: AdversaryRun) -> dict[str, Tensor]:
    """Return weights, Algorithm 2's state, Adam's, the surrogate's, random states."""
    assert run.attacker is not None
    modules = {"model": run.model, "surrogate": run.attacker.surrogate.network}
    found = {f"{name}.{key}": v for name, module in modules.items() for key, v in module.state_dict().items()}
    found |= {f"learner.{key}": value for key, value in state_to_tensors(run.state).items()}
    for i, moments in run.optimizer.state_dict()["state"].items():
        found |= {f"adam.{i}.{key}": value for key, value in moments.items()}
    found["generator"], found["step"] = run.generator.get_state(), torch.tensor(run.progress.step)
    found["answers"] = torch.tensor(run.attacker.surrogate.buffer.answers)
    found["counts"] = torch.tensor(list(run.attacker.counts()["training"].values()))
    return found


def whole_run(folder: Path, processes: Processes, **options: Any) -> dict[str, Tensor]:
    run = build_run(folder, SMOOTH, processes=processes)
    train_adversary(run, checkpoint_every=2, **options)
    return outcome(run)


def arae_run(folder: Path, processes: Processes, **options: Any) -> dict[str, Tensor]:
    # Shares of two sentences and three; gradients as they are, since clipped ones have lost their size.
    config = replace(arae_toys.CONFIG, batch_size=5, word_dropout=0.3, max_gradient_norm=1e6)
    run = arae_toys.build_run(folder, config, processes=processes)
    before = {f"before {name}": value.clone() for name, value in run.model.state_dict().items()}
    train_arae(run, watch_every=3, **options)
    recent = {f"recent {i}": codes for i, codes in enumerate(run.steps.recent)}
    found = {f"after {name}": value for name, value in run.model.state_dict().items()}
    for name, optimiser in run.steps.optimisers.items():
        moments = optimiser.state_dict()["state"]
        found |= {f"moment {name} {i}": moments[i]["exp_avg"] for i in moments}
    return {**before, **found, **recent, "generator": run.steps.random.get_state()}


def target_weights(folder: Path, processes: Processes) -> dict[str, Tensor]:
    """Return the weights in memory, not those of a file that all read; nothing is dropped out."""
    torch.manual_seed(0)
    network = build_word_level_target(replace(NETWORK, dropout=0.0), build_vocabulary(PAIRS, max_words=100))
    run = TargetRun(network, PAIRS, TARGET, folder, processes, settings={}, checkpoint_every=100)
    run.train(PAIRS, max_minutes=None)
    losses = torch.tensor([line["train_loss"] for line in run.progress.metrics])
    return {**run.target.state_dict(), "losses": losses}


def encoder_weights(base: str, folder: Path, processes: Processes) -> dict[str, Tensor]:
    torch.manual_seed(0)
    run = cross_encoder._Run(base, PAIRS, CROSS_ENCODER, folder, processes, settings={}, checkpoint_every=100)
    run.train()
    return {**run.model.state_dict(), "loss": torch.tensor(run.metrics[-1]["train_loss"])}


def main(folder: Path) -> None:
    """Run everything in ``folder``; ``begun`` holds a state and ``base`` an encoder already."""
    processes = Processes.current()
    found = {name: one_batch(folder / name, case, processes) for name, case in BATCHES.items()}
    found["whole"] = whole_run(folder / "whole", processes)
    whole_run(folder / "stopped", processes, max_minutes=0.0)
    found["resumed"] = whole_run(folder / "stopped", processes, is_resumed=True)
    found["taken over"] = whole_run(folder / "begun", processes, is_resumed=True)
    whole_run(folder / "handed on", processes, max_minutes=0.0)
    for name, options in (("target", {}), ("target stopped", {"max_minutes": 0.0}), ("target stopped", RESUMED)):
        train_target(PAIRS, PAIRS, NETWORK, TARGET, folder / name, **options)
    train_cross_encoder(str(folder / "base"), PAIRS, PAIRS, CROSS_ENCODER, folder / "encoder")
    found["arae"] = arae_run(folder / "arae", processes)
    arae_run(folder / "arae stopped", processes, max_minutes=0.0)
    found["arae resumed"] = arae_run(folder / "arae stopped", processes, is_resumed=True)
    found["target"] = target_weights(folder / "target again", processes)
    found["encoder"] = encoder_weights(str(folder / "base"), folder / "encoder again", processes)
    torch.save(found, folder / f"found_{processes.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
