"""Versions of whatever a result may depend on."""

from importlib.metadata import PackageNotFoundError, version
from platform import python_version

__all__ = ["package_versions"]

PACKAGES = ("textsem", "torch", "numpy", "transformers", "datasets", "safetensors")


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result may depend on, those that are installed."""
    found = {"python": python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
