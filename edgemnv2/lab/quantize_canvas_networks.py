"""Makes `digits_detector_int8.onnx` and `digits_segmenter_int8.onnx` from the float networks.

By onnxruntime's static quantisation (QDQ, one weight scale a channel), since our own takes
networks with one output of numbers only; calibrated on canvases of digits that were trained on. The
ends are made integers then. The same library versions give the same files. Needs scikit-learn and
onnxruntime (`pip install 'edgemnv2[train,peers]'`):

    python -m edgemnv2.lab.quantize_canvas_networks [--output FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from edgemnv2.samples import digits
from edgemnv2.samples.canvases import canvas

CANVASES = 100
SEED = 500_000
"""Of the first canvas; neither training nor the held-out ones reach it."""
FOLDER = digits.MODEL.parent


class Canvases(CalibrationDataReader):  # type: ignore[misc]
    """Canvases one by one, as the float networks take them."""

    def __init__(self, count: int) -> None:
        self._left = self._made(count)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next one; None behind the last."""
        return next(self._left, None)

    @staticmethod
    def _made(count: int) -> Iterator[dict[str, NDArray[Any]]]:
        from sklearn.datasets import load_digits

        data = load_digits()
        kept = digits.TRAINING_COUNT
        sprites = digits.enlarge(data.images[:kept].astype(np.uint8))
        labels = data.target[:kept].astype(np.int64)
        for index in range(count):
            pixels = canvas(sprites, labels, SEED + index).pixels
            real = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
            yield {"input": np.ascontiguousarray(real.transpose(2, 0, 1)[np.newaxis])}


def quantized(model: Path) -> bytes:
    """The int8 network of a float one, its metadata kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            Canvases(CANVASES),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {x.key: x.value for x in onnx.load(model).metadata_props})
    return _with_integer_ends(proto).SerializeToString(deterministic=True)  # type: ignore[no-any-return]


def _with_integer_ends(proto: Any) -> Any:
    """Without the nodes between floats outside and integers inside, where there are such nodes."""
    graph = proto.graph
    ends: dict[str, str] = {}
    names = {x.name: x for x in (*graph.input, *graph.output)}
    for node in list(graph.node):
        outer = node.input[0] if node.op_type == "QuantizeLinear" else node.output[0]
        inner = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
        kind = ("QuantizeLinear", "DequantizeLinear")
        if node.op_type in kind and outer in names:
            graph.node.remove(node)
            ends[inner] = outer
            names[outer].type.tensor_type.elem_type = onnx.TensorProto.INT8
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [ends.get(name, name) for name in values]
    used = {name for node in graph.node for name in node.input}
    for constant in [x for x in graph.initializer if x.name not in used]:
        graph.initializer.remove(constant)
    proto.producer_name = "edgemnv2.lab.quantize_canvas_networks"
    _drop_zeros(graph)
    _shorten_names(graph)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _drop_zeros(graph: Any) -> None:
    """Zero points that are all zero are what a node without them has."""
    arrays = {x.name: onnx.numpy_helper.to_array(x) for x in graph.initializer}
    for node in graph.node:
        several = node.op_type == "DequantizeLinear" and len(node.input) == 3
        if several and node.input[2] in arrays and not arrays[node.input[2]].any():
            del node.input[2]
    used = {name for node in graph.node for name in node.input}
    for constant in [x for x in graph.initializer if x.name not in used]:
        graph.initializer.remove(constant)


def _shorten_names(graph: Any) -> None:
    """Numbers for all names inside: of a small network names are a third of the file."""
    kept = {x.name for x in (*graph.input, *graph.output)}
    numbers: dict[str, str] = {}

    def short(name: str) -> str:
        if not name or name in kept:
            return name
        return numbers.setdefault(name, f"t{len(numbers)}")

    for node in graph.node:
        node.name = ""
        for values in (node.input, node.output):
            values[:] = [short(name) for name in values]
    for constant in graph.initializer:
        constant.name = short(constant.name)
    del graph.value_info[:]


def main() -> None:
    """Writes both files."""
    parser = argparse.ArgumentParser(
        prog="python -m edgemnv2.lab.quantize_canvas_networks", description=main.__doc__
    )
    parser.add_argument("--output", type=Path, default=FOLDER)
    options = parser.parse_args()
    for task in ("detector", "segmenter"):
        data = quantized(options.output / f"digits_{task}.onnx")
        (options.output / f"digits_{task}_int8.onnx").write_bytes(data)
        print(f"digits_{task}_int8.onnx: {len(data)} bytes")


if __name__ == "__main__":
    main()
