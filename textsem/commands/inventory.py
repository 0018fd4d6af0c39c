"""What is installed and what a folder holds, as plain JSON types; no weights are loaded."""

import json
import os
import platform
import re
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["ENVIRONMENT", "SECRETS", "describe_folder", "describe_installation"]

PACKAGES = (
    *(
        "textsem",
        "torch",
        "transformers",
        "datasets",
        "pyarrow",
        "numpy",
        "scipy",
        "scikit-learn",
        "nltk",
        "safetensors",
    ),
    *("matplotlib", "jinja2", "tqdm", "accelerate", "spacy", "sentencepiece"),
)
# Everything that textsem reads, or that decides what its libraries do for it.
ENVIRONMENT = {
    "TEXTSEM_DATA": "pairs where --data names none",
    "TEXTSEM_SENTENCE_ENCODER": "measures similarity where --sentence-encoder names none",
    "TEXTSEM_TARGET_TOKEN": "bearer token for a target behind an address",
    "TEXTSEM_LEXICAL": "word neighbours for the peers of compare_attacks.py",
    "NLTK_DATA": "taggers of nltk",
    "HF_HOME": "cache of models and data",
    "HF_DATASETS_CACHE": "cache of data",
    "XDG_CACHE_HOME": "where HF_HOME lies if it is not set",
    "HF_ENDPOINT": "mirror of the hub",
    "HF_TOKEN": "token for the hub",
    "HF_HUB_OFFLINE": "1: the hub is never asked",
    "HF_DATASETS_OFFLINE": "1: the hub is never asked for data",
    "TRANSFORMERS_OFFLINE": "1: the hub is never asked for models",
    "WORLD_SIZE": "number of processes, set by accelerate launch",
    "CUDA_VISIBLE_DEVICES": "GPUs that may be used",
    "OMP_NUM_THREADS": "threads of torch",
}
SECRETS = ("HF_TOKEN", "TEXTSEM_TARGET_TOKEN")
MOST_LETTERS = 160
BEFORE_AT_SIGN = re.compile(r"(?<=//)[^/@\s]*@")


def describe_installation() -> dict[str, Any]:
    """Return versions, devices, the bundled models, and the environment variables that matter."""
    from textsem.evaluation.identity import BUNDLED_MODEL
    from textsem.targets.loading import BUNDLED_FOLDER

    return {
        "versions": {"python": platform.python_version(), **_package_versions()},
        "platform": platform.platform(),
        "devices": _devices(),
        "bundled": {"adversary": describe_folder(BUNDLED_MODEL), "target": describe_folder(BUNDLED_FOLDER)},
        "environment": {name: _variable(name) for name in ENVIRONMENT},
    }


def describe_folder(folder: str | Path) -> dict[str, Any]:
    """Return what a folder holds: ``kind``, and what its files say about that.

    Raises:
        ValueError: If there is no such folder, or a file of it is no JSON.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(f"expected an existing folder, got {str(folder)!r}")
    found: dict[str, Any] = {"folder": str(folder), "kind": "unknown"}
    config = _read_json(path / "config.json")
    if (path / "results.jsonl").is_file() or (path / "settings.json").is_file():
        found |= {"kind": "run", **_run(path)}
    elif config:
        found |= _model(path, config)
    if (path / "training_state.pt").is_file():
        found["kind"] = found["kind"] if config else "training that is not finished"
        found["resume"] = "there is a training state, --resume continues"
    found["files"] = sorted(p.name + ("/" if p.is_dir() else "") for p in path.iterdir())
    return found


def _package_versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _devices() -> list[str]:
    import torch

    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            memory = properties.total_memory / 2**30
            devices.append(f"cuda:{number} ({properties.name}, {memory:.0f} GiB)")
    elif torch.accelerator.is_available():
        devices.append(str(torch.accelerator.current_accelerator()))
    return devices


def _variable(name: str) -> dict[str, Any]:
    """Return whether a variable is set, and its value unless that is a secret, in an address too."""
    value = os.environ.get(name)
    shown = None if value is None or name in SECRETS else BEFORE_AT_SIGN.sub("***@", value)
    return {"is_set": value is not None, "value": shown, "meaning": ENVIRONMENT[name]}


def _model(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a folder with a ``config.json``."""
    from textsem.evaluation.identity import identify_model

    found: dict[str, Any] = {"sha256": identify_model(str(path), path)["sha256"]}
    form, architectures = str(config.get("format", "")), [str(name) for name in config.get("architectures") or ()]
    if form.startswith("textsem-adversary"):
        found |= {"kind": "adversary", "format": form, **_adversary(path, config.get("adversary", config))}
    elif form.startswith("textsem-arae"):
        found |= {"kind": "ARAE", "format": form, "longest_sentence": config.get("max_length")}
    elif config.get("kind") == "textsem-word-level-target":
        found |= {"kind": "target", "architecture": config.get("architecture"), "labels": config.get("label_names")}
    elif (path / "modules.json").is_file():
        found |= {"kind": "sentence encoder", "architecture": ", ".join(architectures)}
    elif any(name.endswith("ForSequenceClassification") for name in architectures):
        labels = config.get("id2label") or {}
        found |= {"kind": "target", "architecture": ", ".join(architectures), "labels": list(labels.values())}
    elif "model_type" in config:
        found |= {"kind": f"model of transformers ({config['model_type']})", "architecture": ", ".join(architectures)}
    return found | {"card": _card(path)}


def _adversary(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    words = _read_json(path / "vocabulary.json", kind=list)
    return {
        "decoder": config.get("decoder_name"),
        "encoder": config.get("encoder_name"),
        "particles": config.get("num_particles"),
        "longest_sentence": config.get("max_length"),
        "words": None if words is None else len(words),
        "has_trigram": (path / "trigram").is_dir(),
        "has_meaning_table": (path / "meaning.safetensors").is_file(),
    }


def _run(path: Path) -> dict[str, Any]:
    """Describe a run by its lines, be it finished or not."""
    summary, settings = _read_json(path / "summary.json"), _read_json(path / "settings.json")
    statuses: Counter[str] = Counter()
    if (path / "results.jsonl").is_file():
        with (path / "results.jsonl").open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # the last one may be torn
                    statuses[_status(line)] += 1
    names = ("target", "model", "candidates_from", "goal", "access", "source", "split", "seed")
    return {
        # A page that was made before the end has no times, and a run that goes on has other lines.
        "is_finished": summary is not None and "seconds" in summary and summary.get("n") == sum(statuses.values()),
        "lines": sum(statuses.values()),
        "statuses": dict(statuses),
        "is_judged": (path / "judgements.jsonl").is_file(),
        "headline": None if summary is None else summary.get("headline"),
        "settings": {name: (settings or {})[name] for name in names if name in (settings or {})},
    }


def _status(line: bytes) -> str:
    try:
        return str(json.loads(line)["status"])
    except (KeyError, TypeError, ValueError):
        return "broken"


def _card(path: Path) -> dict[str, Any] | None:
    """Return title, figures and single lines of a model card, up to its settings."""
    card = path / "README.md"
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8", errors="replace").partition("\nSettings:")[0].splitlines()
    title = next((line.lstrip("# ") for line in lines if line.startswith("# ")), None)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    # Of a table in Markdown the first two rows are its head.
    figures = {row[0]: row[1] for row in rows[2:] if len(row) == 2}
    points = [line[2:] for line in lines if line.startswith("- ")]
    return {"title": title, "figures": figures, "lines": [_shortened(point) for point in points]}


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."


def _read_json(path: Path, *, kind: type = dict) -> Any:
    """Return what a file holds, or None where there is none."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}, got {error}") from error
    if not isinstance(value, kind):
        raise ValueError(f"expected a {kind.__name__} in {path}, got {type(value).__name__}")
    return value
