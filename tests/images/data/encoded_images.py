"""Images as bytes, and tables of them, for the tests of this folder."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def encode(colour: int | tuple[int, int, int], *, size: tuple[int, int], kind: str = "PNG") -> bytes:
    """Return an image of one grey level or colour; ``size`` is width and height."""
    buffer = io.BytesIO()
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def face(colour: tuple[int, int, int] = (200, 100, 50), size: tuple[int, int] = (89, 109)) -> bytes:
    return encode(colour, size=size, kind="JPEG")


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]], *, row_group_size: int | None = None) -> Path:
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), path, row_group_size=row_group_size)
    return path
