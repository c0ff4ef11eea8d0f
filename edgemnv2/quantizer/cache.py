"""Calibrated networks, kept by the hash of all that went into them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgemnv2.quantizer.quality import LayerQuality

__all__ = ["CalibrationCache", "cache_key"]

ALGORITHM = 11
"""Raised whenever calibration computes something else from the same inputs."""


def cache_key(model_sha256: str, inputs: Mapping[str, Any], scheme: str) -> str:
    """The name under which a calibration is kept; `inputs` are the arrays that it saw, by name."""
    digest = hashlib.sha256(f"{ALGORITHM}|{model_sha256}|{scheme}".encode())
    for name, array in inputs.items():
        digest.update(f"|{name}|{array.dtype}|{array.shape}|".encode())
        digest.update(array.data)
    return digest.hexdigest()


class CalibrationCache:
    """A folder of `<key>.onnx` and `<key>.json`. Never an error: what cannot be kept is not."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / "quantize"

    def load(self, key: str) -> tuple[bytes, tuple[LayerQuality, ...]] | None:
        """The network and its layers' quality, or None where they are not here, or damaged."""
        if self._folder is None:
            return None
        try:
            data = (self._folder / f"{key}.onnx").read_bytes()
            record = json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
            if record["sha256"] != hashlib.sha256(data).hexdigest():
                return None
            return data, tuple(LayerQuality(**layer) for layer in record["layers"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def store(self, key: str, data: bytes, quality: tuple[LayerQuality, ...]) -> None:
        """Keep a network; silently not, where the folder cannot be written."""
        if self._folder is None:
            return
        record = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "layers": [asdict(layer) for layer in quality],
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for suffix, content in (("onnx", data), ("json", json.dumps(record).encode())):
                partial = self._folder / f"{key}.{suffix}.{os.getpid()}"
                partial.write_bytes(content)
                partial.replace(self._folder / f"{key}.{suffix}")
        except OSError:
            return
