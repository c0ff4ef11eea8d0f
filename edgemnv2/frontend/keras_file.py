"""What a Keras file holds: the model's configuration, and its weights by layer.

`.h5` of Keras 2 and 3 (`model_config`, `model_weights`), `.keras` (a zip of `config.json` and
`model.weights.h5`), and Teachable Machine's zip (`keras_model.h5`, `labels.txt`). No TensorFlow.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import ModelError, UnsupportedOperator, reason
from edgemnv2.frontend.damage import reading
from edgemnv2.frontend.keras_recurrent import recurrent_kind

__all__ = ["KerasFile", "read_keras"]

Array = NDArray[Any]
Layer = Mapping[str, Any]
Around = tuple[Layer, ...]
MOST_BYTES = 1 << 29
"""Of a file inside a zip and of all weights, unpacked: more than any model for a board."""
WALK_SECONDS = 6
WALK = """
import sys, h5py
print(flush=True)
file = h5py.File(sys.argv[1], "r")
for attribute in file.attrs.values():
    pass
file.visititems(lambda name, item: [None for value in item.attrs.values()])
"""
"""A program that reads all there is in an HDF5 file but the arrays."""
KERNEL = ("kernel", "bias")
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "Attention": ("scale",),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "Conv1D": KERNEL,
    "Conv2D": KERNEL,
    "Conv2DTranspose": KERNEL,
    "Dense": KERNEL,
    "DepthwiseConv1D": KERNEL,
    "DepthwiseConv2D": KERNEL,
    "GroupNormalization": ("gamma", "beta"),
    "LayerNormalization": ("gamma", "beta"),
    "Normalization": ("mean", "variance", "count"),
    "PReLU": ("alpha",),
    "RMSNormalization": ("scale",),
    "SeparableConv1D": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel", "bias"),
}
"""Names of a layer's variables in the order in which `.keras` numbers them. What is not here has
none that an inference needs."""


@dataclass(frozen=True)
class KerasFile:
    """`config` of the model; `weights(path, layer)` gives the variables of a layer by name.

    `path` are the models around the layer, from the outside in; each layer has its configuration,
    and its `stored_name` in `.keras` files. `labels` where the file brings some; `generation` of
    Keras, 2 or 3.
    """

    config: Mapping[str, Any]
    weights: Callable[[Around, Layer], dict[str, Array]]
    labels: tuple[str, ...] = ()
    generation: int = 3


def read_keras(path: Path) -> KerasFile:
    """The file at `path`; ModelError if it is none, or its parts contradict each other."""
    try:
        import h5py
    except ImportError as error:
        raise ModelError(
            f"{path.name}: reading Keras files needs h5py, which is not installed "
            "(pip install h5py)"
        ) from error
    with reading(path.name, path.stat().st_size):
        try:
            if zipfile.is_zipfile(path):
                return _zip(path, h5py)
            _check_ends(path)
            return _h5(h5py.File(path, "r"), path.name)
        except (OSError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"{path.name}: not a Keras model, or a truncated one ({reason(error)}); "
                "save it again"
            ) from error


def _check_ends(path: Path) -> None:
    """ModelError for a file in whose damaged parts the HDF5 library would turn in circles.

    Nothing in this process can stop it there, so another one tries first.
    """
    with subprocess.Popen(
        (sys.executable, "-c", WALK, str(path)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as walk:
        assert walk.stdout is not None
        walk.stdout.readline()  # from here on it reads
        try:
            walk.wait(WALK_SECONDS)
        except subprocess.TimeoutExpired:
            walk.kill()
            raise ModelError(
                f"{path.name}: the HDF5 library finds no end in it within {WALK_SECONDS} s: the "
                "file is damaged; download it or save the model again"
            ) from None


def _zip(path: Path, h5py: Any) -> KerasFile:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()

        def member(name: str) -> bytes:
            with archive.open(name) as packed:
                # With a number: else zipfile unpacks all there is before it looks at the size.
                content = packed.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise ModelError(
                    f"{path.name}: {name} unpacks to more than {MOST_BYTES} bytes, more than any "
                    "network for a board; save the model again"
                )
            return content

        inner = next((x for x in names if x.endswith("keras_model.h5")), None)
        if inner is not None:
            found = _h5(h5py.File(io.BytesIO(member(inner)), "r"), path.name)
            labels = next((x for x in names if x.endswith("labels.txt")), None)
            lines = member(labels).decode("utf-8", "replace").splitlines() if labels else []
            # Teachable Machine numbers them: "0 cat".
            words = tuple(re.sub(r"^\d+ ", "", line).strip() for line in lines if line.strip())
            return replace(found, labels=words)
        if "config.json" not in names or "model.weights.h5" not in names:
            raise ModelError(
                f"{path.name}: a zip without config.json and model.weights.h5 (expected a .keras "
                "file, or Teachable Machine's Keras export)"
            )
        config = json.loads(member("config.json"))
        weights = h5py.File(io.BytesIO(member("model.weights.h5")), "r")
        written = json.loads(member("metadata.json")) if "metadata.json" in names else {}
        generation = _generation(written.get("keras_version"))
        return KerasFile(config, _NumberedWeights(weights, path.name), generation=generation)


def _h5(file: Any, name: str) -> KerasFile:
    text = file.attrs.get("model_config")
    if text is None:
        raise ModelError(
            f"{name}: holds weights without a model (save the whole model: model.save, not "
            "save_weights)"
        )
    config = json.loads(text if isinstance(text, str) else text.decode())
    generation = _generation(file.attrs.get("keras_version"))
    return KerasFile(config, _NamedWeights(file["model_weights"], name), generation=generation)


def _generation(version: Any) -> int:
    """2 or 3, from Keras's version: "2.15.0", "2.6.0-tf"."""
    text = version.decode() if isinstance(version, bytes) else str(version or "3")
    return 2 if text[:2] in ("1.", "2.") else 3


class _Arrays:
    """Datasets of one file, of which none is read that would not fit beside the others."""

    def __init__(self, file: str) -> None:
        self.file, self.left_bytes = file, MOST_BYTES

    def read(self, dataset: Any) -> Array:
        """The numbers in `dataset`, `[...]` as it has them, float32."""
        if dataset.dtype.kind not in "biuf":
            raise TypeError(f"weights of type {dataset.dtype}")
        # A dataset says any size without holding it.
        self.left_bytes -= int(dataset.size) * int(dataset.dtype.itemsize)
        if self.left_bytes < 0:
            raise ModelError(
                f"{self.file}: its weights unpack to more than {MOST_BYTES} bytes, more than any "
                "network for a board; save the model again"
            )
        # Under `set_floatx("float64")` Keras stores doubles, and counters are integers; all that is
        # computed here is float32.
        return np.asarray(dataset).astype(np.float32)


def _variables(layer: Layer) -> list[str]:
    """Names of a layer's own variables in the order in which `.keras` numbers them."""
    names, config = VARIABLES.get(str(layer["class_name"]), ()), layer["config"]
    flags = {"gamma": "scale", "beta": "center", "bias": "use_bias"}
    return [n for n in names if config.get(flags.get(n, ""), True)]


def _parts(layer: Layer) -> dict[str, tuple[str, list[str]]]:
    """Of a layer that is made of others: what stands in front of the names of their variables ->
    the group in `.keras`, the names there. Empty for a layer that has all variables itself."""
    kind, of_cell = str(layer["class_name"]), ["kernel", "recurrent_kernel", "bias"]
    if recurrent_kind(layer):
        return {"": ("cell", of_cell)}
    if kind == "Bidirectional":
        return {f"{way}/": (f"{way}_layer/cell", of_cell) for way in ("forward", "backward")}
    if kind == "MultiHeadAttention":
        dense = {x: f"{x}_dense" for x in ("query", "key", "value")}
        dense["attention_output"] = "output_dense"
        return {f"{name}/": (group, ["kernel", "bias"]) for name, group in dense.items()}
    if kind == "TimeDistributed":
        return {"": ("layer", _variables(layer["config"]["layer"]))}
    return {}


def _prefix(layer: Layer, parts: Mapping[str, Any], owner: str) -> str | None:
    """Which of the parts of a layer `owner` is: `forward_lstm/lstm_cell/`, `query/`."""
    if layer["class_name"] == "Bidirectional":
        backward = layer["config"].get("backward_layer") or {"config": {"name": "backward"}}
        return (
            "backward/"
            if owner.startswith(("backward_", f"{backward['config']['name']}/"))
            else "forward/"
        )
    return next((part for part in parts if owner.startswith(part)), None)


class _NamedWeights:
    """`.h5`: the outermost layer's group; datasets are named by layer and variable."""

    def __init__(self, group: Any, file: str) -> None:
        self.group, self.arrays = group, _Arrays(file)

    def __call__(self, path: Around, layer: Layer) -> dict[str, Array]:
        own = str(layer["config"]["name"])
        group = self.group.get(str(path[0]["config"]["name"]) if path else own)
        if group is None:
            return {}
        found: dict[str, Array] = {}
        parts = _parts(layer)
        for raw in group.attrs["weight_names"]:
            name = raw.decode() if isinstance(raw, bytes) else str(raw)
            owner, _, variable = name.rpartition("/")
            if parts:
                _, inside, part = f"/{owner}/".partition(f"/{own}/")
                prefix = _prefix(layer, parts, part) if inside else None
                if prefix is not None:
                    found[prefix + variable.split(":")[0]] = self.arrays.read(group[name])
                continue
            # A layer's name may have slashes itself; some variables have no owner before theirs.
            if owner == own or owner.endswith(f"/{own}") or (not owner and not path):
                found[variable.split(":")[0]] = self.arrays.read(group[name])
        if str(layer["class_name"]).startswith("DepthwiseConv") and "depthwise_kernel" in found:
            found["kernel"] = found.pop("depthwise_kernel")
        return found


class _NumberedWeights:
    """`.keras`: variables by number, layers by their class and how many of it came before."""

    def __init__(self, group: Any, file: str) -> None:
        self.group, self.arrays = group, _Arrays(file)

    def __call__(self, path: Around, layer: Layer) -> dict[str, Array]:
        place = "/".join(f"layers/{part['stored_name']}" for part in (*path, layer))
        parts = _parts(layer) or {"": ("", _variables(layer))}
        found: dict[str, Array] = {}
        for prefix, (inner, names) in parts.items():
            held = self.group.get(f"{place}/{inner}/vars" if inner else f"{place}/vars")
            arrays = [self.arrays.read(held[str(i)]) for i in range(len(held or ()))]
            if names and len(arrays) > len(names):
                # Numbers say nothing of what they are: a scale would be taken for a bias.
                raise UnsupportedOperator(
                    f"{self.arrays.file}: layer {layer['config']['name']!r}: has {len(arrays)} "
                    f"variables, and a {layer['class_name']} is known to have {', '.join(names)}; "
                    "save it as Keras's own layer, not quantised"
                )
            found.update(zip((prefix + name for name in names), arrays, strict=False))
        return found
