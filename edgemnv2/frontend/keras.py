"""Keras -> `Model`: the layers become nodes of an ONNX network, which the ONNX front end reads.

Keras has images as `[N, H, W, C]`, ONNX's windowed operators as `[N, C, H, W]`: the transposes
around them are views, and leave no trace. Padding and arithmetic are TensorFlow's.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.frontend.damage import reading
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.frontend.keras_file import KerasFile, read_keras
from edgemnv2.frontend.keras_layers import LAYERS, OnnxNet
from edgemnv2.frontend.onnx import model_from_proto
from edgemnv2.ops.model import Model

__all__ = ["load_keras"]

Around = tuple[Mapping[str, Any], ...]
MODELS = ("Functional", "Sequential", "Model")
Values = dict[tuple[str, int, int], str]


def load_keras(path: Path, input_shapes: InputShapes | None = None) -> Model:
    """The network of a `.h5` or `.keras` file; ModelError if it is none that we can compile.

    `input_shapes` fix what is symbolic in the shapes of inputs.
    """
    file = read_keras(path)
    net = OnnxNet(path.name)
    data = path.read_bytes()
    with reading(path.name, len(data)):
        try:
            proto = net.proto(_Network(net, file, path.name).whole())
        except OSError as error:  # of h5py, which reads as it is asked
            raise ModelError(
                f"{path.name}: its weights cannot be read ({error}); save the model again"
            ) from error
    model = model_from_proto(proto, path.name, input_shapes=input_shapes)
    return replace(model, name=path.stem, sha256=hashlib.sha256(data).hexdigest())


class _Network:
    """Inlines nested models, layer by layer, in an order in which every operand is known."""

    def __init__(self, net: OnnxNet, file: KerasFile, source: str) -> None:
        self.net, self.file, self.source = net, file, source
        self.refused: list[str] = []

    def whole(self) -> list[str]:
        """All nodes; the names of the outputs."""
        config = self.file.config
        if config["class_name"] not in MODELS:
            raise ModelError(
                f"{self.source}: a model of class {config['class_name']!r} is Python code, which "
                "no file holds; save it as a Functional or Sequential model"
            )
        outputs = self._model(config, None, ())
        if self.refused:
            raise UnsupportedOperator("\n".join([f"{self.source}: {x}" for x in self.refused]))
        return outputs

    def _model(
        self, model: Mapping[str, Any], inputs: Sequence[str] | None, path: Around
    ) -> list[str]:
        """A model on `inputs`; None: the network's own."""
        config = model["config"]
        layers = _with_stored_names(config["layers"] if isinstance(config, Mapping) else config)
        if model["class_name"] == "Sequential":
            return self._sequential(layers, inputs, path, config)
        return self._functional(config, layers, inputs, path)

    def _sequential(
        self,
        layers: list[dict[str, Any]],
        inputs: Sequence[str] | None,
        path: Around,
        config: Any,
    ) -> list[str]:
        current = list(inputs or ())
        for layer in layers:
            if layer["class_name"] == "InputLayer":
                current = current or [self._input(layer)]
                continue
            if not current:
                current = [self._first_input(layer, config)]
            current = self._layer(layer, current, {}, path)
        return current

    def _functional(
        self,
        config: Mapping[str, Any],
        layers: list[dict[str, Any]],
        inputs: Sequence[str] | None,
        path: Around,
    ) -> list[str]:
        values: Values = {}
        wanted = _references(config["input_layers"])
        for place, (name, _, _) in enumerate(wanted):
            layer = {x["config"]["name"]: x for x in layers}[name]
            values[name, 0, 0] = self._input(layer) if inputs is None else inputs[place]
        waiting = [
            (layer, number, call)
            for layer in layers
            if layer["class_name"] != "InputLayer"
            for number, call in enumerate(layer.get("inbound_nodes", ()))
        ]
        while waiting:
            later = []
            for layer, number, call in waiting:
                operands = [_found(x, values) for x in _operands(call)]
                if any(isinstance(x, tuple) and x not in values for x in operands):
                    later.append((layer, number, call))
                    continue
                names = [values[x] if isinstance(x, tuple) else x for x in operands]
                made = self._layer(layer, names, _keywords(call), path)
                for index, output in enumerate(made):
                    values[str(layer["config"]["name"]), number, index] = output
            if len(later) == len(waiting):
                raise ModelError(f"{self.source}: layers that wait for each other; save it again")
            waiting = later
        return [values[_found(x, values)] for x in _references(config["output_layers"])]

    def _layer(
        self, layer: Mapping[str, Any], inputs: list[Any], keywords: Any, path: Around
    ) -> list[str]:
        kind = str(layer["class_name"])
        name = str(layer["config"]["name"]) if "name" in layer["config"] else kind
        if kind in MODELS:
            return self._model(layer, inputs, (*path, layer))
        convert = LAYERS.get(kind)
        if convert is None:
            hint = "replace it by layers of Keras" if kind == "Lambda" else "remove it"
            self.refused.append(f"layer {name!r}: {kind} is not supported; {hint}")
            return [str(inputs[0])]
        with self.net.layer(name):
            weights = self.file.weights(path, layer)
            return [convert(self.net, inputs, layer["config"], weights, keywords)]

    def _input(self, layer: Mapping[str, Any]) -> str:
        config = layer["config"]
        shape = config.get("batch_shape", config.get("batch_input_shape"))
        return self.net.input(str(config["name"]), shape, str(config.get("dtype", "float32")))

    def _first_input(self, layer: Mapping[str, Any], config: Any) -> str:
        """Of a Sequential model without an InputLayer."""
        shape = layer["config"].get("batch_input_shape")
        if shape is None and isinstance(config, Mapping):
            shape = config.get("build_input_shape")
        if shape is None:
            raise ModelError(
                f"{self.source}: the model does not say its input's shape; build it before saving"
            )
        return self.net.input(f"{layer['config']['name']}_input", shape, "float32")


def _with_stored_names(layers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The layers with the names that `.keras` stores their weights under."""
    counts: Counter[str] = Counter()
    found = []
    for layer in layers:
        kind = _snake_case(str(layer["class_name"]))
        stored = kind if not counts[kind] else f"{kind}_{counts[kind]}"
        counts[kind] += 1
        found.append({**layer, "stored_name": stored})
    return found


def _snake_case(name: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _references(ends: Any) -> list[tuple[str, int, int]]:
    """`["name", 0, 0]`, or a list of such."""
    if ends and isinstance(ends[0], str):
        ends = [ends]
    return [(str(name), int(node), int(index)) for name, node, index in ends]


def _found(reference: Any, values: Values) -> Any:
    """Keras 2 counts a nested model's own construction as its call 0."""
    if not isinstance(reference, tuple) or reference in values:
        return reference
    name, node, index = reference
    earlier = (name, node - 1, index)
    return earlier if earlier in values else reference


def _operands(call: Any) -> list[Any]:
    """Of one call of a layer: references to tensors, and numbers (of operators on tensors)."""
    found: list[Any] = []
    if isinstance(call, Mapping):  # Keras 3

        def visit(value: Any) -> None:
            if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
                name, node, index = value["config"]["keras_history"]
                found.append((str(name), int(node), int(index)))
            elif isinstance(value, list):
                for item in value:
                    visit(item)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found.append(float(value))

        for argument in call.get("args", ()):
            visit(argument)
        return found
    if call and isinstance(call[0], str):  # an operator on tensors, called with one
        call = [call]
    for name, node, index, *_ in call:
        found.append((str(name), int(node), int(index)))
    return found


def _keywords(call: Any) -> Mapping[str, Any]:
    if isinstance(call, Mapping):
        keywords: Mapping[str, Any] = call.get("kwargs", {})
        return keywords
    if call and isinstance(call[0], str):
        call = [call]
    last = call[0]
    return last[3] if len(last) > 3 else {}
