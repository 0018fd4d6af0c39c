"""Freed memory stays with the process, so that the next tensor of its size need not be faulted in page by page."""

import ctypes
import os

__all__ = ["keep_freed_memory"]

# Numbers of malloc.h.  The largest threshold that every glibc takes is half of a 64 MiB heap.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_BLOCK = 1 << 30, 32 << 20


def keep_freed_memory() -> bool:
    """Ask the C library not to give freed memory back to the system; results are the same bit for bit.

    By default glibc returns what is free at the end of its heap, so that each update of Algorithm 2 faults some 1,800
    pages in again (MNIST; 8,900 for CelebA).  For commands that train or attack and then end, not for a library
    inside somebody else's process: it holds for the process, which keeps up to 1 GiB that it no longer uses.  The
    environment's own ``MALLOC_`` settings have precedence.

    Returns:
        Whether it was set: not without glibc (macOS, Windows, musl), nor where the environment says something else.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        library = ctypes.CDLL(None)
        if not hasattr(library, "gnu_get_libc_version"):  # musl has a mallopt that does nothing
            return False
        is_set = [library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK), library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)]
    except (OSError, TypeError):
        return False
    return all(is_set)
