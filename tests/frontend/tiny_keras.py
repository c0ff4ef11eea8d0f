"""Writes small Keras files, part by part, as both generations of Keras do."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py

__all__ = ["SHAPE", "called", "keras2_layer", "keras_layer", "tiny_keras"]

SHAPE = (5, 4, 3)
"""Of the image `x`."""


def _tensor(name: str, index: int = 0) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, index]}}


def called(*operands: Any, **keywords: Any) -> dict[str, Any]:
    """A call as Keras 3 writes it; operands that are words are names of layers."""

    def written(value: Any) -> Any:
        if isinstance(value, str):
            return _tensor(value)
        return [written(x) for x in value] if isinstance(value, list) else value

    return {"args": [written(x) for x in operands], "kwargs": keywords}


def keras_layer(kind: str, name: str, call: Any, module: str = "", **config: Any) -> dict[str, Any]:
    """A layer of Keras 3; `call` is the name of what it works on, a whole call, or None."""
    calls = [called(call)] if isinstance(call, str) else [call] if call else []
    layer = {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": calls}
    return {**layer, "module": module} if module else layer


def keras2_layer(kind: str, name: str, calls: list[Any], **config: Any) -> dict[str, Any]:
    """A layer of Keras 2; each call is `[["layer", node, index, {keywords}], ...]`."""
    return {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": calls}


def tiny_keras(
    path: Path,
    layers: list[dict[str, Any]],
    weights: dict[str, list[Any]] | None = None,
    version: str = "3.9.0",
    dtype: str = "float32",
) -> Path:
    """A `.keras` file of an image `x` and `layers`, the last of them its output."""
    image = keras_layer("InputLayer", "x", None, batch_shape=[None, *SHAPE], dtype=dtype)
    config = {
        "class_name": "Functional",
        "config": {
            "layers": [image, *layers],
            "input_layers": ["x", 0, 0],
            "output_layers": [layers[-1]["config"]["name"], 0, 0],
        },
    }
    inner = path.with_suffix(".weights.h5")
    with h5py.File(inner, "w") as file:
        for name, arrays in (weights or {}).items():
            for number, array in enumerate(arrays):
                file[f"layers/{name}/vars/{number}"] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.write(inner, "model.weights.h5")
    return path
