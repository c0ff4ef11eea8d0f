"""Reading of a file whose bytes may be anything."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

from edgemnv2.errors import EdgeError, ModelError
from edgemnv2.ops.source import Refusal

__all__ = ["reading"]

# What flatbuffers, protobuf and NumPy raise over bytes that contradict each other.
SYMPTOMS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


@contextlib.contextmanager
def reading(file: str, size_bytes: int | None = None) -> Iterator[None]:
    """ModelError for whatever the enclosed reading of `file` runs into.

    Only what decodes the file belongs inside: a bug of ours elsewhere must show its traceback.
    """
    try:
        yield
    except (EdgeError, Refusal):
        raise
    except SYMPTOMS as error:
        size = "" if size_bytes is None else f" ({size_bytes} bytes)"
        raise ModelError(
            f"{file}: the file is damaged or truncated{size}: its parts contradict each other "
            f"({type(error).__name__}); download or export it again"
        ) from error
