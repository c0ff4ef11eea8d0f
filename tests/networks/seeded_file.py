"""A built-in detector or segmenter as a TFLite file: the same nodes, written table by table."""

from __future__ import annotations

from typing import Any

from edgemnv2.frontend import seeded_net
from edgemnv2.frontend.tasks import load_task
from edgemnv2.ops.source import SourceTensor
from tests.networks.tflite_net import TfliteNet

__all__ = ["as_tflite"]

OPTIONS = {
    "ADD": "AddOptions",
    "ARG_MAX": "ArgMaxOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "LOGISTIC": "",
    "MEAN": "ReducerOptions",
    "RESHAPE": "",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
}
WORDS = {"SAME": 0, "NONE": 0, "RELU6": 3}
INT32 = 2


def as_tflite(name: str) -> bytes:
    """The file; it shares the network's definition with ours, and nothing of how it is run."""
    written: list[bytes] = []

    def build_flow(nodes: Any, inputs: Any, outputs: Any, file: str, format_: Any) -> Any:
        written.append(_file(nodes, inputs, outputs))
        return original(nodes, inputs, outputs, file, format_)

    original = seeded_net.build_flow
    seeded_net.build_flow = build_flow
    try:
        load_task(name)
    finally:
        seeded_net.build_flow = original
    (blob,) = written
    return blob


def _file(nodes: Any, inputs: Any, outputs: Any) -> bytes:
    net, numbers = TfliteNet(), {}

    def number(tensor: SourceTensor, operator: str, place: int) -> int:
        if tensor.name not in numbers:
            axis = 3 if operator == "DEPTHWISE_CONV_2D" and place == 1 else 0
            scale, zero = tensor.scale, tensor.zero_point
            quant: dict[str, Any] = {}
            if scale is not None:
                quant = {"scale": scale, "zero_point": zero if zero is not None else 0}
            numbers[tensor.name] = net.tensor(
                tensor.shape, tensor.dtype, data=tensor.value, axis=axis, name=tensor.name, **quant
            )
        return numbers[tensor.name]

    for tensor in inputs:
        number(tensor, "", 0)
    for node in nodes:
        operands = [number(x, node.operator, i) for i, x in enumerate(node.inputs)]
        made = [number(x, node.operator, 0) for x in node.outputs]
        fields = {key: WORDS.get(value, value) for key, value in node.attrs.items()}
        if node.operator == "DEPTHWISE_CONV_2D":
            fields["depth_multiplier"] = 1
        if node.operator == "ARG_MAX":
            fields["output_type"] = INT32
        net.add(node.operator, operands, made, OPTIONS[node.operator], **fields)
    ends = [[numbers[x.name] for x in tensors] for tensors in (inputs, outputs)]
    return net.build(ends[0], ends[1])
