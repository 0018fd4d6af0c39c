"""What would fail late is tried before anything that takes long: the device, and the folder to write into."""

from pathlib import Path
from tempfile import TemporaryFile

__all__ = ["check_device", "check_output"]


def check_device(name: str | None) -> None:
    """Try a device by putting nothing on it.

    Raises:
        ValueError: If torch does not know the device, or cannot use it here.
    """
    if name is None:
        return
    import torch

    try:
        torch.empty(0, device=name)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        usable = ["cpu", *([str(torch.accelerator.current_accelerator())] if torch.accelerator.is_available() else [])]
        raise ValueError(
            f"expected a device that torch can use here, such as {' or '.join(usable)}, got {name!r}: "
            f"{str(error).partition('. ')[0]}"
        ) from error


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
