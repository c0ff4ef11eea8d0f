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

from edgemnv2.errors import ModelError, UnsupportedOperator, reason
from edgemnv2.frontend.damage import reading
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.frontend.keras_calls import Arguments, Call, Reference, parsed_call
from edgemnv2.frontend.keras_file import KerasFile, read_keras
from edgemnv2.frontend.keras_layers import LAYERS
from edgemnv2.frontend.keras_net import OnnxNet
from edgemnv2.frontend.keras_operators import OPERATORS, operator_of_function
from edgemnv2.frontend.onnx import model_from_proto
from edgemnv2.ops.model import Model

__all__ = ["load_keras"]

Around = tuple[Mapping[str, Any], ...]
MODELS = ("Functional", "Sequential", "Model")
OF_TENSORFLOW = ("SlicingOpLambda", "TFOpLambda")
"""What Keras 2 wraps functions of TensorFlow's in."""
OF_KERAS = re.compile(r"keras(\.src)?\.ops\b")
"""Modules of Keras 3 whose classes are operators."""
UNTAKEN = (
    "attention_mask", "mask", "return_attention_scores", "use_causal_mask",
)  # fmt: skip
"""Keywords of calls of layers, which must be left out, None or False."""
MOST_OUTPUTS = 8
"""That a refused layer stands for."""
Values = dict[Reference, str]


def load_keras(path: Path, input_shapes: InputShapes | None = None) -> Model:
    """The network of a `.h5` or `.keras` file; ModelError if it is none that we can compile.

    `input_shapes` fix what is symbolic in the shapes of inputs.
    """
    file = read_keras(path)
    net = OnnxNet(path.name, file.generation)
    data = path.read_bytes()
    with reading(path.name, len(data)):
        try:
            proto = net.proto(_Network(net, file, path.name).whole())
        except OSError as error:  # of h5py, which reads as it is asked
            raise ModelError(
                f"{path.name}: its weights cannot be read ({reason(error)}); save the model again"
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
            raise UnsupportedOperator("\n".join(self.refused))
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
            current = self._layer(layer, current, Call((current[0],), {}), path)[:1]
        return current

    def _functional(
        self,
        config: Mapping[str, Any],
        layers: list[dict[str, Any]],
        inputs: Sequence[str] | None,
        path: Around,
    ) -> list[str]:
        values: Values = {}
        by_name = {x["config"]["name"]: x for x in layers}
        for place, end in enumerate(_ends(config["input_layers"])):
            values[end._replace(node=0, output=0)] = (
                self._input(by_name[end.name]) if inputs is None else inputs[place]
            )
        waiting = [
            (layer, number, parsed_call(call))
            for layer in layers
            if layer["class_name"] != "InputLayer"
            for number, call in enumerate(layer.get("inbound_nodes", ()))
        ]
        first = _first_nodes(waiting, config)

        def found(reference: Reference) -> Reference:
            return reference._replace(node=reference.node - first.get(reference.name, 0))

        while waiting:
            later = []
            for layer, number, call in waiting:
                if any(found(x) not in values for x in call.references):
                    later.append((layer, number, call))
                    continue
                known = call.resolved(lambda x: values[found(x)])
                operands = [values[found(x)] for x in call.operands]
                made = self._layer(layer, operands, known, path)
                for index, output in enumerate(made):
                    values[Reference(str(layer["config"]["name"]), number, index)] = output
            if len(later) == len(waiting):
                raise ModelError(f"{self.source}: layers that wait for each other; save it again")
            waiting = later
        return [values[found(x)] for x in _ends(config["output_layers"])]

    def _layer(
        self, layer: Mapping[str, Any], inputs: list[str], call: Call, path: Around
    ) -> list[str]:
        kind = str(layer["class_name"])
        name = str(layer["config"]["name"]) if "name" in layer["config"] else kind
        try:
            with self.net.layer(name):
                if call.keywords.get("training") and _has_batch_norm(layer):
                    raise self.net.refuse(
                        "called with training=True, BatchNormalization takes each image's own mean",
                        "call it with training=False and save the model again",
                    )
            if kind in MODELS:
                return self._model(layer, inputs, (*path, layer))
            with self.net.layer(name):
                if _is_operator(layer):
                    return self._operator(layer, call)
                convert = LAYERS.get(kind)
                if convert is None:
                    raise self.net.refuse(f"{kind} is not supported", _remedy(kind))
                if _is_quantised(layer):
                    raise self.net.refuse(
                        "quantised by Keras",
                        "save the model as it was before, and quantise that (edgemnv2 quantize)",
                    )
                operands = [*inputs, *self._named_operands(call)]
                weights = self.file.weights(path, layer)
                made = convert(self.net, operands, layer["config"], weights)
                return made if isinstance(made, list) else [made]
        except UnsupportedOperator as refusal:
            # All are told at once; what follows goes on with the layer's input.
            self.refused.append(str(refusal))
            return [str(x) for x in inputs[:1]] * MOST_OUTPUTS

    def _named_operands(self, call: Call) -> list[str]:
        """Tensors among the keywords of a layer's call; UnsupportedOperator for what changes it."""
        for name in UNTAKEN:
            given = call.keywords.get(name)
            if any(given) if isinstance(given, list) else given:
                raise self.net.refuse(f"called with {name} is not supported", "call it without")
        found: list[str] = []
        for name in ("query", "value", "key", "initial_state"):
            given = call.keywords.get(name) or ()
            found += [given] if isinstance(given, str) else list(given)
        return found

    def _operator(self, layer: Mapping[str, Any], call: Call) -> list[str]:
        """A layer that is an operator on tensors."""
        kind, config = str(layer["class_name"]), layer["config"]
        function = str(config.get("function", "")) if kind in OF_TENSORFLOW else ""
        operator = operator_of_function(function) if function else kind
        if operator not in OPERATORS:
            raise self.net.refuse(
                f"the operator {function or kind} is not supported", _remedy(operator)
            )
        made = OPERATORS[operator](self.net, Arguments(call, config))
        return made if isinstance(made, list) else [made]

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


def _has_batch_norm(layer: Mapping[str, Any]) -> bool:
    """Whether a layer, or one of the model that it is, normalises by batches in training."""
    config = layer["config"]
    inner = config.get("layers", ()) if isinstance(config, Mapping) else config
    return layer["class_name"] == "BatchNormalization" or any(map(_has_batch_norm, inner))


def _is_quantised(layer: Mapping[str, Any]) -> bool:
    """Whether the layer's weights are integers with scales, as Keras 3's `quantize` makes them."""
    policy = layer["config"].get("dtype")
    kind = policy.get("class_name", "") if isinstance(policy, Mapping) else policy
    return "Quantized" in str(kind) or "_from_" in str(kind)


def _is_operator(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is an operator on tensors.

    `.h5` files of Keras 3 do not say which `Add` they mean: only layers can be trained.
    """
    kind, module = str(layer["class_name"]), layer.get("module")
    if module is not None:
        return kind in OF_TENSORFLOW or OF_KERAS.match(str(module)) is not None
    is_class = kind in LAYERS and "trainable" in layer["config"]
    return kind in OF_TENSORFLOW or (kind in OPERATORS and not is_class)


def _remedy(kind: str) -> str:
    if kind == "Lambda":
        return "replace it by layers of Keras: a Lambda layer is Python code, which no file holds"
    if kind == "TimeDistributed":
        return "save the layer inside it alone, and call it for each image of the sequence"
    return "express it by other layers, or cut it off"


def _ends(ends: Any) -> list[Reference]:
    """`["name", 0, 0]`, a list of such, or a dictionary of them."""
    if isinstance(ends, Mapping):
        ends = list(ends.values())
    if ends and isinstance(ends[0], str):
        ends = [ends]
    return [Reference(str(name), int(node), int(index)) for name, node, index in ends]


def _first_nodes(
    calls: Sequence[tuple[Mapping[str, Any], int, Call]], config: Mapping[str, Any]
) -> dict[str, int]:
    """By layer, the number of its first call: Keras 2 counts a nested model's construction as 0."""
    counts = Counter(str(layer["config"]["name"]) for layer, _, _ in calls)
    last: dict[str, int] = {}
    for reference in (
        *(x for _, _, call in calls for x in call.references),
        *_ends(config["output_layers"]),
    ):
        last[reference.name] = max(last.get(reference.name, 0), reference.node)
    return {name: last[name] - n + 1 for name, n in counts.items() if last.get(name, 0) >= n}
