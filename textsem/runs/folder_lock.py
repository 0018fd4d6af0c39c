"""One run at a time in a folder: a second one would remove or mix the lines of the first."""

import os
from pathlib import Path

__all__ = ["FolderLock"]


class FolderLock:
    """Keep a folder for this process until it is released, or the process ends in whatever way.

    Where system or file system know no locks, nothing is kept.

    Args:
        folder: Must be there.

    Raises:
        ValueError: If another process keeps it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = None
        try:
            import fcntl
        except ImportError:  # Windows
            return
        self._descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise ValueError(
                f"expected a folder that no other run writes to, got {folder}: wait for the other run, end it, or name "
                "another output folder"
            ) from error
        except OSError:  # some network file systems
            self.release()

    def release(self) -> None:
        """Let others have the folder; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
