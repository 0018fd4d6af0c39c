"""The end of every model card: what was run, with which seed, where, and all settings."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["card_end"]


def card_end(*, command: str, seed: int, machine: str, settings: Mapping[str, Any]) -> list[str]:
    """Return the last lines of a model card in Markdown.

    Args:
        command: What was run.
        seed: Its seed.
        machine: Where.
        settings: All of them, plain JSON types.
    """
    return [
        f"- Command: `{command}`",
        f"- Seed: {seed}",
        f"- Machine: {machine}",
        "",
        "Settings:",
        "",
        "```json",
        json.dumps(dict(settings), indent=2),
        "```",
        "",
    ]
