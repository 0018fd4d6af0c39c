"""Train a word-level target: Adam, dropout, the best epoch on the development set, exact resume."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from textsem.processes import Processes
from textsem.targets.loading import (
    NetworkConfig,
    build_word_level_target,
    load_word_level_target,
    save_word_level_target,
)
from textsem.targets.word_level import WordLevelTarget
from textsem.text.embeddings import cooccurrence_embeddings
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import UNKNOWN_ID
from textsem.training.labelled_pairs import LabelledPairs, accuracy, build_vocabulary, joined_pairs
from textsem.training.new_pairs import NewPairs, RowRenewer
from textsem.training.target_config import TargetTrainingConfig
from textsem.training.target_report import RunDescription, new_row_figures, write_card, write_curve
from textsem.training.target_run import TargetRun

__all__ = ["LabelledPairs", "TargetTrainingConfig", "start_from_co_occurrence", "train_target"]


def train_target(
    train: LabelledPairs,
    dev: LabelledPairs,
    network_config: NetworkConfig,
    config: TargetTrainingConfig,
    folder: Path,
    *,
    test: LabelledPairs | None = None,
    description: RunDescription | None = None,
    device: str = "cpu",
    is_resumed: bool = False,
    max_minutes: float | None = None,
    checkpoint_every: int = 500,
    half_precision: bool = False,
    processes: Processes | None = None,
    new_rows: NewPairs | None = None,
    renewer: RowRenewer | None = None,
) -> WordLevelTarget:
    """Train on ``train``, keep the epoch that is best on ``dev``, report on ``test``, save all in ``folder``.

    The folder gets the model (``config.json``, ``vocabulary.json``, ``model.safetensors``), ``README.md`` with the
    figures, ``metrics.jsonl``, ``curve.png`` and the training state.  A run that was killed and resumed ends with the
    same weights as one that was not (same machine, same number of threads).  Dropout reads torch's global random state:
    it is seeded inside and put back before returning.

    Several processes (``accelerate launch``) share the rows of every batch and take the same steps; each drops out by
    numbers of its own, so that their outcome is one process's but for rounding where nothing is dropped out.  The main
    process writes; a run may be resumed by another number of them.

    Adversarial training in two forms: ``new_rows`` join the training pairs before anything else, as if they were among
    them; ``renewer`` makes rows against the model in training, which replace the earlier ones.  The folder keeps them
    in ``new_rows/``.  The learning rate falls with the share of epochs done, whatever number of steps they have.

    Args:
        train: Pairs to learn from; the vocabulary is theirs.
        dev: Pairs that choose the epoch.
        network_config: Architecture and sizes.
        config: Everything else that shapes the outcome.
        folder: Output.
        test: Pairs for the final figure alone.
        description: What the model card says about data and command.
        device: Where to train.
        is_resumed: Go on from the state in ``folder``.
        max_minutes: Stop after the step that passes this time (all runs of a resumed training together).  What is
            saved then is the better of the best epoch and the present weights; resuming goes on exactly.
        checkpoint_every: Steps between two saved states.
        half_precision: Save the model as float16; figures are then of the rounded model.
        processes: Those that train; None: as the environment says.
        new_rows: Pairs to learn from as well, their words included.
        renewer: Makes such pairs at the start of epochs; the vocabulary has not their words.  For one process alone.

    Returns:
        The saved model, loaded back.

    Raises:
        ValueError: If the data are empty, the state to resume from is missing or belongs to other settings or rows, or
            several processes are to renew rows.
    """
    if not len(train.labels) or not len(dev.labels):
        raise ValueError(f"expected training and development pairs, got {len(train.labels)} and {len(dev.labels)}")
    processes = Processes.current() if processes is None else processes
    if renewer is not None:
        processes.expect_alone("new rows against the model in training")
    device = processes.place(device)
    settings = _settings(train, network_config, config, new_rows, renewer)
    pairs = train if new_rows is None else joined_pairs([train, new_rows])
    cuda_devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=cuda_devices):
        torch.manual_seed(config.seed)
        vocabulary = build_vocabulary(pairs, max_words=config.max_words)
        target = build_word_level_target(network_config, vocabulary).to(device)
        run = TargetRun(
            target,
            train,
            config,
            folder,
            processes,
            settings=settings,
            checkpoint_every=checkpoint_every,
            renewer=renewer,
        )
        if is_resumed:
            run.resume()
        else:
            if config.word_vectors == "co-occurrence":
                start_from_co_occurrence(target, pairs, seed=config.seed)
            run.begin(new_rows)
        is_finished = run.train(dev, max_minutes=max_minutes)
        progress, best = run.progress, run.best
        if not is_finished:
            present = accuracy(target, dev, processes=processes)
            best = target if present > progress.best_accuracy else best
    if processes.is_main:
        save_word_level_target(best, network_config, folder, half_precision=half_precision)
    processes.wait()
    saved = load_word_level_target(folder).to(device)
    figures: dict[str, Any] = {"dev_accuracy": accuracy(saved, dev, processes=processes)}
    if test is not None:
        figures["test_accuracy"] = accuracy(saved, test, processes=processes)
    figures |= {"epochs_completed": progress.epoch, "best_epoch": progress.best_epoch, "seconds": progress.seconds}
    figures |= {"processes": processes.count} if processes.count > 1 else {}
    figures |= new_row_figures(progress.new_rows, progress.augmentation_seconds, of=progress.seconds)
    if processes.is_main:
        write_curve(folder, progress.metrics)
        write_card(folder, description or RunDescription(), settings=settings, figures=figures)
    processes.wait()
    return saved


def start_from_co_occurrence(target: WordLevelTarget, pairs: LabelledPairs, *, seed: int) -> None:
    """Replace the random word vectors, scaled so that their entries spread as before; a sentence counts once."""
    weight = target.embedding.weight
    vectors = cooccurrence_embeddings(
        [tokenize(sentence).words for sentence in dict.fromkeys((*pairs.premises, *pairs.hypotheses))],
        vocabulary=target.vocabulary,
        dim=weight.shape[1],
        generator=torch.Generator().manual_seed(seed),
    ).to(weight)
    vectors[:UNKNOWN_ID] = 0.0  # pad, start and end stand for no word of a target
    with torch.no_grad():
        weight.copy_(vectors * (weight.std() / vectors.std()))


def _settings(
    train: LabelledPairs,
    network_config: NetworkConfig,
    config: TargetTrainingConfig,
    new_rows: NewPairs | None,
    renewer: RowRenewer | None,
) -> dict[str, Any]:
    """Return what the outcome depends on, as JSON would give it back."""
    settings = {"network": asdict(network_config), "training": asdict(config), "num_pairs": len(train.labels)}
    if new_rows is not None:
        settings["new_rows"] = {**new_rows.settings, "num_rows": len(new_rows), "sha256": new_rows.sha256()}
    if renewer is not None:
        settings["renewed_rows"] = dict(renewer.settings)
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain
