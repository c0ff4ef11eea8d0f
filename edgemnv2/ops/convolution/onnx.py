"""Import rules of ONNX: convolutions and matrix products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.onnx_terms import image, spatial
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def conv(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    weight = _weights(node, flow, 1)
    if weight.values.ndim != 4:
        raise Refusal(
            f"a kernel of {weight.values.ndim - 2} dimensions, weights {list(weight.values.shape)}",
            "export the model with two-dimensional convolutions (a 1-D one as 1xK)",
            "Convolutions have height and width",
        )
    source = image(node)
    kernel = weight.values.shape[2], weight.values.shape[3]
    attrs = {
        **spatial(node, source, kernel),
        "groups": int(node.get("group", 1)),
        "data_layout": "NCHW",
        "kernel_layout": "OIHW",
    }
    out = flow.add("conv2d", [flow.stored(source), weight], flow.fresh(node.output), attrs)
    _with_bias(node, flow, out, 2, (1, -1, 1, 1))


def conv_transpose(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    weight = _weights(node, flow, 1)
    if weight.values.ndim != 4:
        raise Refusal(
            f"a kernel of {weight.values.ndim - 2} dimensions",
            "export the model with two-dimensional convolutions",
        )
    source = image(node)
    if len(node.output.shape) != 4:
        # onnx infers no shape from an `output_shape` that is below the input's.
        raise Refusal(
            f"output_shape={list(node.get('output_shape', ()))} for an input of "
            f"{list(source.shape)}",
            "export the model with pads instead of output_shape",
        )
    dilation = [int(x) for x in node.get("dilations", (1, 1))]
    weight = _whole_kernel(weight, int(node.get("group", 1)), (dilation[0], dilation[1]))
    stride = tuple(int(x) for x in node.get("strides", (1, 1)))
    pads = [int(x) for x in node.get("pads", (0, 0, 0, 0))][:2]
    mode = node.get("auto_pad", "NOTSET")
    if node.get("output_shape") or mode in ("SAME_UPPER", "SAME_LOWER"):
        more = [int(x) for x in node.get("output_padding", (0, 0))]
        for axis in (0, 1):
            whole = (source.shape[2 + axis] - 1) * stride[axis] + weight.values.shape[2 + axis]
            total = max(0, whole + more[axis] - node.output.shape[2 + axis])
            pads[axis] = total // 2 if mode == "SAME_UPPER" else total - total // 2
    elif mode == "VALID":
        pads = [0, 0]
    attrs = {
        "stride": stride,
        "padding": (pads[0], pads[1]),
        "data_layout": "NCHW",
        "kernel_layout": "IOHW",
    }
    operands = [flow.stored(source), weight]
    out = flow.add("conv2d_transpose", operands, flow.fresh(node.output), attrs)
    _with_bias(node, flow, out, 2, (1, -1, 1, 1))


def _whole_kernel(weight: Constant, groups: int, dilation: tuple[int, int]) -> Constant:
    """`[I, O / groups, H, W]` as the kernel of one group without dilation: zeros are put between.

    They are what the layer computes with: few networks have such convolutions, none has many.
    """
    if groups < 1 or weight.values.shape[0] % groups:
        raise Refusal(f"group={groups} of {weight.values.shape[0]} channels", "export it again")
    if weight.scale is not None and (groups, dilation) != (1, (1, 1)) and weight.per_axis:
        raise Refusal(
            f"group={groups}, dilations={list(dilation)} and a scale for each channel",
            "quantise its weights per tensor, or leave the node out (nodes_to_exclude)",
        )
    zero = 0 if weight.zero_point is None else int(weight.zero_point.reshape(-1)[0])
    inner, outer, height, width = weight.values.shape
    rows, columns = ((k - 1) * d + 1 for k, d in zip((height, width), dilation, strict=True))
    whole = np.full((inner, groups * outer, rows, columns), zero, weight.values.dtype)
    for group in range(groups):
        part = slice(group * (inner // groups), (group + 1) * (inner // groups))
        made = slice(group * outer, (group + 1) * outer)
        whole[part, made, :: dilation[0], :: dilation[1]] = weight.values[part]
    return replace(weight, values=whole)


def gemm(node: SourceNode, flow: FlowBuilder) -> None:
    """One constant matrix [K, N] on the right, activations on the left as they are (transA=0)."""
    if node.get("transA", 0):
        raise Refusal("transA=1", "export the classifier as a plain linear layer")
    matrix = _weights(node, flow, 1)
    if node.get("transB", 0):
        matrix = matrix.transpose((1, 0))
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    out = flow.add("matmul", [flow.stored(node.input(0)), matrix], flow.fresh(node.output))
    if alpha != 1.0:
        out = flow.add("multiply", [out, _scalar(alpha)], flow.fresh(node.output))
    if node.optional(2) is None:
        flow.alias(node.output, out)
        return
    bias = flow.stored(node.input(2))
    if beta != 1.0:
        name = flow.add("multiply", [bias, _scalar(beta)], flow.fresh(node.input(2)))
        flow.add("add", [out, name], flow.declare(node.output))
        return
    flow.add("add", [out, bias], flow.declare(node.output))


def matmul(node: SourceNode, flow: FlowBuilder) -> None:
    """One constant matrix [K, N] on the right."""
    matrix = _weights(node, flow, 1)
    if matrix.values.ndim != 2:
        raise Refusal(
            f"a right operand of shape {list(matrix.values.shape)}",
            "export the classifier as a plain linear layer",
        )
    flow.move("matmul", [flow.stored(node.input(0)), matrix], node.output)


def _weights(node: SourceNode, flow: FlowBuilder, index: int) -> Constant:
    weight = flow.stored(node.input(index))
    if not isinstance(weight, Constant):
        raise Refusal(
            f"weights {node.input(index).name!r} that are computed",
            "export the model with its parameters in it",
        )
    if weight.values.dtype.kind == "f" and not np.isfinite(weight.values).all():
        raise Refusal(
            f"weights {node.input(index).name!r} that are no numbers (NaN or infinite)",
            "train or export the model again",
            "Weights are numbers",
        )
    return weight


def _with_bias(
    node: SourceNode, flow: FlowBuilder, out: str, index: int, shape: tuple[int, ...]
) -> None:
    if node.optional(index) is None:
        flow.alias(node.output, out)
        return
    bias = flow.stored(node.input(index))
    if not isinstance(bias, Constant):
        raise Refusal(
            f"bias {node.input(index).name!r} that is computed",
            "export the model with its parameters in it",
        )
    full = tuple(bias.values.size if extent == -1 else extent for extent in shape)
    flow.add("add", [out, bias.reshape(full)], flow.declare(node.output))


def _scalar(value: float) -> Constant:
    return Constant(np.array(value, np.float32))


RULES: dict[str, Rule] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
}
