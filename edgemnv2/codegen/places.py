"""Which memory of a microcontroller holds what: in our linker scripts, and as `analyze` says."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.target import MemoryRegion, Target

__all__ = ["HOT_SECTION", "STACK_BYTES", "VARIABLE_BYTES", "Places", "places"]

# The reserve that the link checks for; the limit for generated code is half of it.
STACK_BYTES = 8 * 1024
# Alignment, and the C library's own.
VARIABLE_BYTES = 1024
HOT_SECTION = ".edgemnv2_hot"
"""Of our linker scripts: code that is copied to RAM at the start, where there is RAM for it."""


@dataclass(frozen=True)
class Places:
    """A region for each; `hot_code` is `code` where no RAM is for it."""

    code: MemoryRegion
    constants: MemoryRegion
    variables: MemoryRegion
    arena: MemoryRegion
    hot_code: MemoryRegion

    @property
    def copies_code(self) -> bool:
        """Whether hot code runs from RAM."""
        return self.hot_code != self.code


def places(target: Target, arena_bytes: int | None = None, hot_bytes: int = 0) -> Places:
    """Where things lie.

    The first "rx" region holds code, the largest constants; the first "rw" region, which is the
    fastest, variables and the stack, and the arena too, if `arena_bytes` of it are known to fit
    beside them; else the largest holds it. Hot code of `hot_bytes`, where that is known, goes to
    an "rwx" region that is large enough.
    """
    readable = [m for m in target.memories if m.access == "rx"]
    writable = [m for m in target.memories if m.access == "rw"]
    room = writable[0].length - STACK_BYTES - VARIABLE_BYTES
    near = arena_bytes is not None and arena_bytes <= room
    fitting = [m for m in target.memories if m.access == "rwx" and 0 < hot_bytes <= m.length]
    return Places(
        code=readable[0],
        constants=max(readable, key=lambda m: m.length),
        variables=writable[0],
        arena=writable[0] if near else max(writable, key=lambda m: m.length),
        hot_code=fitting[0] if fitting else readable[0],
    )
