"""What would fail late is tried before anything that takes long: the folder to write into."""

from pathlib import Path
from tempfile import TemporaryFile

__all__ = ["check_output"]


def check_output(folder: Path) -> None:
    """Try to write where a folder is to be made, or in the folder itself, and leave nothing there.

    Raises:
        ValueError: If it is no folder, or nothing can be written there.
    """
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with TemporaryFile(dir=place, buffering=0) as probe:
            probe.write(b"\n")
    except OSError as error:
        raise ValueError(
            f"expected a folder that files can be written to, got {folder}: {error.strerror}; name another one or see "
            f"to {place}"
        ) from error
