"""Adversarial hypotheses from a learned manifold: text that keeps its meaning and changes a classifier's mind.

Importing the package does nothing else: public names are looked up, and their modules imported, on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textsem.augmentation import AdversarialAugmenter, AugmentationConfig
    from textsem.data.nli import load_nli
    from textsem.model import TextAdversary
    from textsem.outputs import AttackResult
    from textsem.pipelines import NliAttackPipeline, pipeline, register
    from textsem.protocols import TargetError
    from textsem.targets.loading import load_target
    from textsem.transformers_model import NliAttackConfig, NliAttackModel

__all__ = [
    "AdversarialAugmenter",
    "AttackResult",
    "AugmentationConfig",
    "NliAttackConfig",
    "NliAttackModel",
    "NliAttackPipeline",
    "TargetError",
    "TextAdversary",
    "__version__",
    "load_nli",
    "load_target",
    "pipeline",
    "register",
]

__version__ = "0.1.0"

# Public name -> module that defines it.  A type checker reads the block above; a test holds the two together.
_MODULES: dict[str, str] = {
    "AdversarialAugmenter": "textsem.augmentation",
    "AttackResult": "textsem.outputs",
    "AugmentationConfig": "textsem.augmentation",
    "NliAttackConfig": "textsem.transformers_model",
    "NliAttackModel": "textsem.transformers_model",
    "NliAttackPipeline": "textsem.pipelines",
    "TargetError": "textsem.protocols",
    "TextAdversary": "textsem.model",
    "load_nli": "textsem.data.nli",
    "load_target": "textsem.targets.loading",
    "pipeline": "textsem.pipelines",
    "register": "textsem.pipelines",
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
