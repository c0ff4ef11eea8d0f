"""The good files that fuzzing damages: one seeded maker for each kind of file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.frontend.tiny_onnx import TinyOnnx
from tests.networks.qdq_net import QdqNet
from tests.networks.random_onnx import random_onnx
from tests.networks.random_tflite import random_network

__all__ = ["KINDS", "original", "shared_files"]

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = REPOSITORY.parent / "shared" / "cases"
MOST_SHARED_BYTES = 400_000
Config = dict[str, Any]


def original(kind: str, random: np.random.Generator, *, shared: bool = False) -> bytes:
    """One good file of a kind; `shared`: half of the networks are those of ../shared/cases."""
    files = shared_files(kind) if shared else []
    if files and random.random() < 0.5:
        return files[int(random.integers(len(files)))].read_bytes()
    return _MAKERS[kind](random)


@cache
def shared_files(kind: str) -> list[Path]:
    """Small real files of a kind beside this repository, sorted; none where there are none."""
    found = [p for p in CASES.rglob(f"*.{kind}") if p.stat().st_size < MOST_SHARED_BYTES]
    return sorted(found)


def _onnx(random: np.random.Generator) -> bytes:
    form = random.random()
    if form < 0.5:
        return random_onnx(int(random.integers(1 << 20))).blob
    if form < 0.75:
        flatten = ("Flatten", "Reshape", "Squeeze", "shape_nodes", "conv")
        pool = ("GlobalAveragePool", "ReduceMean", "AveragePool")
        options = {
            "flatten": str(random.choice(flatten)),
            "pool": str(random.choice(pool)),
            "batch_norm": bool(random.random() < 0.5),
            "pad_nodes": bool(random.random() < 0.5),
            "weights_as": str(random.choice(["initializers", "inputs", "nodes"])),
        }
        return bytes(TinyOnnx(**options).build().SerializeToString())
    return _qdq(random)


def _qdq(random: np.random.Generator) -> bytes:
    net = QdqNet((1, 4, 8, 8), 0.05, int(random.integers(-10, 10)))
    x = net.convolution(4, 0.1, 3, kernel=3, depthwise=True, relu=True)
    net.convolution(4, 0.2, -5, bias=str(random.choice(["int32", "float", "none"])))
    net.add(x, 0.3, 1)
    net.mean(0.1, 0)
    return net.model((1, 4, 1, 1))


def _tflite(random: np.random.Generator) -> bytes:
    if random.random() < 0.7:
        return random_network(int(random.integers(1 << 20))).blob
    dtype = str(random.choice(["int8", "uint8", "float32"]))
    pad = bool(random.random() < 0.5)
    return TinyMobilenet(dtype=dtype, per_channel=dtype == "int8", pad=pad).build()


def _layers(random: np.random.Generator, generation: int) -> tuple[list[Config], dict[str, Any]]:
    """A small MobileNetV2 head to tail, and the variables of each layer by name."""
    made: list[Config] = []
    arrays: dict[str, Any] = {}

    def add(kind: str, name: str, before: list[str], variables: Mapping[str, Any], **config: Any):
        if generation == 3:
            tensors = [
                {"class_name": "__keras_tensor__", "config": {"keras_history": [b, 0, 0]}}
                for b in before
            ]
            calls = [{"args": tensors if len(before) < 2 else [tensors], "kwargs": {}}]
        else:
            calls = [[[b, 0, 0, {}] for b in before]]
        made.append(
            {
                "class_name": kind,
                "name": name,
                "config": {"name": name, **config},
                "inbound_nodes": calls if before else [],
            }
        )
        arrays[name] = {
            key: random.normal(size=shape).astype(np.float32) * 0.3
            for key, shape in variables.items()
        }

    same = {"padding": "same", "strides": [1, 1], "dilation_rate": [1, 1], "use_bias": True}
    add(
        "InputLayer",
        "x",
        [],
        {},
        batch_shape=[None, 12, 12, 3],
        batch_input_shape=[None, 12, 12, 3],
    )
    kernel = {"kernel": (3, 3, 3, 8), "bias": (8,)}
    stem = {**same, "strides": [2, 2], "filters": 8, "kernel_size": [3, 3], "activation": "linear"}
    add("Conv2D", "stem", ["x"], kernel, **stem)
    normal = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (8,))
    add(
        "BatchNormalization", "bn", ["stem"], normal, axis=-1, epsilon=1e-3, scale=True, center=True
    )
    arrays["bn"]["moving_variance"] = np.abs(arrays["bn"]["moving_variance"]) + 0.1
    add("ReLU", "act", ["bn"], {}, max_value=6.0, negative_slope=0.0, threshold=0.0)
    depthwise = {**same, "kernel_size": [3, 3], "depth_multiplier": 1, "activation": "relu"}
    inner = "kernel" if generation == 3 else "depthwise_kernel"
    add("DepthwiseConv2D", "dw", ["act"], {inner: (3, 3, 8, 1), "bias": (8,)}, **depthwise)
    add("Add", "sum", ["act", "dw"], {})
    add("GlobalAveragePooling2D", "pool", ["sum"], {}, keepdims=False)
    dense = {"units": 4, "activation": "softmax", "use_bias": True}
    add("Dense", "classes", ["pool"], {"kernel": (8, 4), "bias": (4,)}, **dense)
    return made, arrays


def _configuration(layers: list[Config]) -> Config:
    return {
        "class_name": "Functional",
        "config": {
            "name": "net",
            "layers": layers,
            "input_layers": [["x", 0, 0]],
            "output_layers": [["classes", 0, 0]],
        },
    }


def _h5(random: np.random.Generator) -> bytes:
    layers, arrays = _layers(random, 2)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["model_config"] = json.dumps(_configuration(layers))
        for layer, variables in arrays.items():
            group = file.create_group(f"model_weights/{layer}")
            group.attrs["weight_names"] = [f"{layer}/{x}:0".encode() for x in variables]
            for name, array in variables.items():
                group[f"{layer}/{name}:0"] = array
    return buffer.getvalue()


_STORED = {
    "stem": "conv2d",
    "bn": "batch_normalization",
    "dw": "depthwise_conv2d",
    "classes": "dense",
}


def _keras(random: np.random.Generator) -> bytes:
    layers, arrays = _layers(random, 3)
    inner = io.BytesIO()
    with h5py.File(inner, "w") as file:
        for layer, stored in _STORED.items():
            for number, array in enumerate(arrays[layer].values()):
                file[f"layers/{stored}/vars/{number}"] = array
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", json.dumps(_configuration(layers)))
        archive.writestr("model.weights.h5", inner.getvalue())
    return buffer.getvalue()


def _toml(random: np.random.Generator) -> bytes:
    files = sorted((REPOSITORY / "targets").glob("*.toml"))
    return files[int(random.integers(len(files)))].read_bytes()


LOG = REPOSITORY / "tune_logs" / "mps2-an386"
MANIFEST_FILES = (
    "manifest.json",
    "memory_plan.json",
    "reference/graph.json",
    "reference/graph.npz",
)


def _log(random: np.random.Generator) -> bytes:
    """One of a log's three files; its name goes before, up to a line's end."""
    name = str(random.choice(sorted(p.name for p in LOG.iterdir())))
    return f"{name}\n".encode() + (LOG / name).read_bytes()


def _artifact(random: np.random.Generator) -> bytes:
    """Only says which file of the artefact of `checks.good_artifact` is damaged."""
    return f"{random.choice(MANIFEST_FILES, p=[0.55, 0.1, 0.15, 0.2])}\n".encode()


def _npz(random: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    save = np.savez if random.random() < 0.5 else np.savez_compressed
    save(buffer, input=random.normal(size=(2, 1, 32, 32)).astype(np.float32))
    return buffer.getvalue()


def _image(random: np.random.Generator) -> bytes:
    mode = str(random.choice(["RGB", "L", "RGBA", "P", "I;16", "LA", "CMYK", "1", "F"]))
    size = (int(random.integers(1, 40)), int(random.integers(1, 40)))
    pixels = random.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    if mode in ("I;16", "F"):
        wide = random.integers(0, 1 << 16, size[::-1])
        image = Image.fromarray(wide.astype(np.uint16 if mode == "I;16" else np.float32))
    else:
        image = Image.fromarray(pixels).convert(mode)
    form = {"CMYK": "JPEG", "F": "TIFF"}.get(mode, "PNG")
    if mode in ("RGB", "L") and random.random() < 0.6:
        form = str(random.choice(["JPEG", "BMP", "PPM", "WEBP"]))
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


_MAKERS: dict[str, Callable[[np.random.Generator], bytes]] = {
    "onnx": _onnx,
    "tflite": _tflite,
    "h5": _h5,
    "keras": _keras,
    "toml": _toml,
    "log": _log,
    "artifact": _artifact,
    "npz": _npz,
    "image": _image,
}
KINDS = (
    "onnx",
    "tflite",
    "onnx",
    "tflite",
    "h5",
    "keras",
    "toml",
    "log",
    "artifact",
    "npz",
    "image",
)
"""In turn, by seed: networks most often."""
