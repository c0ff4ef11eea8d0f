"""Sizes of memory on the command line: 256K, 1.5M or bytes."""

from __future__ import annotations

import argparse
import re

__all__ = ["size_bytes"]

_FACTORS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def size_bytes(text: str) -> int:
    """Bytes of `256K`, `1.5M` or a plain number."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size (expected 256K, 1M or bytes)")
    return int(float(found[1]) * _FACTORS[found[2].upper()])
