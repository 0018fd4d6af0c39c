"""The adversary as a transformers model: `NliAttackConfig` and `NliAttackModel`, known to the Auto classes.

One folder serves both: ``TextAdversary.from_pretrained`` and ``AutoModel.from_pretrained`` read the same files.
Loading, saving and the hub are transformers' own; what is added here are the files that it does not know (vocabulary,
trigram, meaning table), and strictness: where transformers would draw a missing weight at random, this refuses.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.configuration_utils import PretrainedConfig
from transformers.utils.hub import cached_file

from textsem.model import TextAdversary
from textsem.model_files import ADVERSARY_FORMAT, MODEL_TYPE, describe, part_files, write_parts

__all__ = ["NliAttackConfig", "NliAttackModel"]

# transformers is typed in part, and otherwise from version to version.
ConfigBase: Any = PretrainedConfig
ModelBase: Any = PreTrainedModel
# What says where files come from, passed on to each file that is looked up.
HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
LOADING_KEYS = ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")


class NliAttackConfig(ConfigBase):  # type: ignore[misc]
    """Hold the shapes of an adversary under transformers' roof.

    Args:
        adversary: Keys and values of ``TextAdversaryConfig``, plain JSON types.
        has_trigram: Whether a trigram model lies beside the weights.
        has_meaning: Whether a meaning table does.
        format: Of the folder.
        kwargs: transformers' own.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        adversary: Mapping[str, Any] | None = None,
        has_trigram: bool = False,
        has_meaning: bool = False,
        format: str = ADVERSARY_FORMAT,
        **kwargs: Any,
    ) -> None:
        self.adversary = dict(adversary or {})
        self.has_trigram = has_trigram
        self.has_meaning = has_meaning
        self.format = format
        super().__init__(**kwargs)


class NliAttackModel(ModelBase):  # type: ignore[misc]
    """Carry a `TextAdversary` (attribute ``adversary``) through transformers' loading and saving.

    Args:
        config: Shapes.
        adversary: The adversary itself; None for ``from_pretrained`` alone, which brings its other files.
        folder: Where those files lie.

    Raises:
        ValueError: If there is neither an adversary nor a folder.
    """

    config_class = NliAttackConfig
    base_model_prefix = "adversary"
    main_input_name = "hypotheses"
    _supports_sdpa = False

    def __init__(
        self, config: NliAttackConfig, *, adversary: TextAdversary | None = None, folder: str | Path | None = None
    ) -> None:
        super().__init__(config)
        if adversary is None:
            if folder is None:
                raise ValueError("expected an adversary, got none: use from_pretrained or from_adversary")
            adversary = TextAdversary.empty(folder)
        self.adversary = adversary
        self.post_init()

    @classmethod
    def from_adversary(cls, adversary: TextAdversary) -> "NliAttackModel":
        """Wrap an adversary; the weights are shared."""
        return cls(NliAttackConfig(**describe(adversary.parts)), adversary=adversary)

    @classmethod
    def from_pretrained(
        cls, name_or_folder: str | os.PathLike[str], *, config: NliAttackConfig | None = None, **kwargs: Any
    ) -> "NliAttackModel":
        """Load a folder or a hub id, strictly, in float32: the codes' triangular systems need it.

        Args:
            name_or_folder: A folder that ``save_pretrained`` wrote, or the id of one on the hub.
            config: Read from there if None.
            kwargs: transformers' own: ``revision``, ``token``, ``local_files_only``, ``cache_dir`` ...; ``dtype`` is
                accepted and not used, see above.

        Raises:
            ValueError: If a file is missing, or does not fit the others.
            OSError: If there is no such folder or hub id.
        """
        name = os.fspath(name_or_folder)
        hub = {key: kwargs[key] for key in HUB_OPTIONS if kwargs.get(key) is not None}
        if config is None:
            config = NliAttackConfig.from_pretrained(name, **hub)
        # The first file says where all of them are: the folder itself, or the hub's cache of one revision.
        files = [cached_file(name, file, **hub) for file in part_files(config.has_trigram, config.has_meaning)]
        given = {key: value for key, value in kwargs.items() if key not in ("dtype", "torch_dtype", "use_safetensors")}
        try:
            model, found = super().from_pretrained(
                name,
                config=config,
                folder=Path(str(files[0])).parent,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # refused below, by name
                **{**given, "output_loading_info": True},
            )
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"expected the weights of this config in {name}: {error}") from None
        wrong = {key: sorted(map(str, found[key])) for key in LOADING_KEYS if found.get(key)}
        if wrong:
            said = "; ".join(f"{key.replace('_', ' ')} {', '.join(names[:5])}" for key, names in wrong.items())
            raise ValueError(f"expected the weights of this config in {name}, got {said}")
        result: NliAttackModel = model.eval()
        return result

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Write a folder that ``from_pretrained``, ``AutoModel`` and ``TextAdversary.from_pretrained`` read.

        Args:
            save_directory: The folder.
            kwargs: transformers' own, such as ``push_to_hub``.
        """
        write_parts(self.adversary.parts, Path(save_directory))
        # Without the prefix of this wrapper: the names are those of the adversary itself.
        kwargs.setdefault("state_dict", self.adversary.state_dict())
        super().save_pretrained(save_directory, **kwargs)
