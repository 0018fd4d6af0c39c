"""Images on the latent core of textsem: data, networks, targets, attacks and what is measured.

Importing the package does nothing else: public names are looked up, and their modules imported, on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from images_ext.data.images import ImageSet
    from images_ext.data.loading import load_images
    from images_ext.model import ImageAdversary
    from images_ext.outputs import ImageAttackResult
    from images_ext.pipelines import ImageAttackPipeline, pipeline
    from images_ext.targets.callable_target import CallableTarget
    from images_ext.targets.loading import load_image_target
    from images_ext.targets.module_target import ModuleTarget

__all__ = [
    "CallableTarget",
    "ImageAdversary",
    "ImageAttackPipeline",
    "ImageAttackResult",
    "ImageSet",
    "ModuleTarget",
    "load_image_target",
    "load_images",
    "pipeline",
]

# Public name -> module that defines it.  A type checker reads the block above; a test holds the two together.
_MODULES: dict[str, str] = {
    "CallableTarget": "images_ext.targets.callable_target",
    "ImageAdversary": "images_ext.model",
    "ImageAttackPipeline": "images_ext.pipelines",
    "ImageAttackResult": "images_ext.outputs",
    "ImageSet": "images_ext.data.images",
    "ModuleTarget": "images_ext.targets.module_target",
    "load_image_target": "images_ext.targets.loading",
    "load_images": "images_ext.data.loading",
    "pipeline": "images_ext.pipelines",
}


def __getattr__(name: str) -> object:
    """Import the module behind a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names too, imported or not."""
    return sorted({*globals(), *_MODULES})
