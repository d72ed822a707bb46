"""Memory that was freed goes back to the system, where glibc can do that."""

import ctypes
from contextlib import suppress


def return_large_pieces() -> None:
    """Have large tensors given back once they are freed.

    As it is, glibc learns to keep pieces of up to 32 MB for itself; what
    stays between them makes that hundreds of MB by the end of a lesson.
    """
    with suppress(AttributeError, TypeError):  # macOS and musl; Windows
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 16 << 20)  # M_MMAP_THRESHOLD: not the heap's
        libc.mallopt(-1, 32 << 20)  # M_TRIM_THRESHOLD: free at its end


def give_back() -> None:
    """Give back what was freed between pieces that are still in use."""
    with suppress(AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
