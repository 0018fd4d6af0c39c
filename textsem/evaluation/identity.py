"""Which model is which: names, digests, and whether a judge is one of those that took part."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from textsem.targets.http_address import check_url, public_url
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import is_address

__all__ = ["BUNDLED_MODEL", "check_independent", "identify_model", "model_folder", "public_name"]

BUNDLED_MODEL = Path(__file__).parent.parent / "assets" / "adversary"

Identity = Mapping[str, str | None]


def model_folder(name: str, bundled: Path) -> Path:
    """Return the folder of a model by name: ``bundled``, or a path."""
    return bundled if name == "bundled" else Path(name).expanduser()


def identify_model(name: str, bundled: Path) -> dict[str, str | None]:
    """Return the name and the digest of a model: none of a hub id, nor of an address, whose query is left out."""
    if is_address(name):
        return {"name": public_name(name), "sha256": None}
    folder = model_folder(name, bundled)
    if not folder.is_dir():
        return {"name": name, "sha256": None}
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*/*.safetensors")]):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return {"name": name, "sha256": digest.hexdigest()}


def check_independent(judges: Sequence[str], others: Mapping[str, Identity]) -> None:
    """Refuse a judge that took part in the attack, or that is named twice.

    Args:
        judges: Names or folders of the judges.
        others: What took part, by role (``target``, ``filter_model``), as ``identify_model`` gives it.

    Raises:
        ValueError: If a judge has the digest, or without a folder the name, of a model that took part.
    """
    seen: dict[str, str] = {_key(identity): f"the {role} of the attack" for role, identity in others.items()}
    for name in judges:
        key = _key(identify_model(name, BUNDLED_TARGET))
        if key in seen:
            raise ValueError(f"expected an independent judge, got {name}, which is {seen[key]}")
        seen[key] = f"already a judge, as {name}"


def _key(identity: Identity) -> str:
    return identity.get("sha256") or str(identity.get("name"))


def public_name(target: str) -> str:
    """Return a target's name as it may be written into files: of an address no query."""
    return public_url(check_url(target)) if is_address(target) else target
