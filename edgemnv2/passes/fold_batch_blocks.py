"""space_to_batch, conv2d, batch_to_space -> a dilated conv2d.

TensorFlow wrote dilation so: every `block`-th pixel becomes an image of its own, a convolution of
stride 1 runs over these images, and they are woven together again. What lies between is elementwise
and stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.ops.flow import Flow, Node, consumers

__all__ = ["fold_batch_blocks"]

SPLIT, JOIN = "space_to_batch", "batch_to_space"
ELEMENTWISE = (
    "quantize",
    "dequantize",
    "add",
    "subtract",
    "multiply",
    "divide",
    "clip",
    "batch_norm",
)


def fold_batch_blocks(flow: Flow) -> Flow:
    """The flow without images split into batches; UnsupportedOperator where one would remain."""
    while True:
        split = next((node for node in flow.nodes if node.op == SPLIT), None)
        if split is None:
            break
        flow = _folded(flow, split, _until_joined(flow, split))
    for node in flow.nodes:
        if node.op == JOIN:
            raise _refuse(flow, node, "no SPACE_TO_BATCH_ND belongs to it")
    return flow


def _refuse(flow: Flow, node: Node, why: str) -> UnsupportedOperator:
    return UnsupportedOperator(
        f"{flow.source}: {node.place or node.op}: {why} (SPACE_TO_BATCH_ND, one convolution of "
        "stride 1 and BATCH_TO_SPACE_ND of the same block make a dilated convolution; anything "
        "else has a batch)"
    )


def _until_joined(flow: Flow, split: Node) -> list[Node]:
    """The nodes behind `split`, the one that joins the images last."""
    users, chain, node = consumers(flow), [], split
    while node.op != JOIN:
        behind = users[node.output]
        if len(behind) != 1 or node.output in flow.outputs:
            raise _refuse(flow, split, f"{len(behind)} operators read what it makes")
        node = behind[0]
        if node.op not in (*ELEMENTWISE, "conv2d", JOIN) or len(node.tensors) != 1:
            raise _refuse(flow, split, f"{node.place or node.op} follows it")
        chain.append(node)
    return chain


def _folded(flow: Flow, split: Node, chain: list[Node]) -> Flow:
    convolutions = [node for node in chain if node.op == "conv2d"]
    join = chain[-1]
    if len(convolutions) != 1 or split.attrs["block"] != join.attrs["block"]:
        raise _refuse(flow, split, f"{len(convolutions)} convolutions before {join.place}")
    (convolution,) = convolutions
    attrs = convolution.attrs
    plain = attrs["data_layout"] == "NHWC" and attrs["dilation"] == (1, 1)
    if attrs["stride"] != (1, 1) or not plain:
        raise _refuse(flow, split, f"{convolution.place} has stride {attrs['stride']}")
    by, bx = split.attrs["block"]
    (above, below), (before, behind) = split.attrs["pads"]
    (top_off, bottom_off), (left_off, right_off) = join.attrs["crops"]
    top, left, bottom, right = attrs["padding"]
    padding = (
        above + top * by - top_off,
        before + left * bx - left_off,
        below + bottom * by - bottom_off,
        behind + right * bx - right_off,
    )
    if min(padding) < 0:
        raise _refuse(flow, split, "more is cut off behind it than is added")
    shapes = dict(flow.shapes)
    replaced: dict[str, Node] = {}
    source, shape = split.tensors[0], flow.shapes[split.tensors[0]]
    for node in chain[:-1]:
        new = node.with_input(node.inputs.index(node.tensors[0]), source)
        if node is convolution:
            new = new.with_attrs(dilation=(by, bx), padding=padding)
            shape = flow.shapes[join.output]
        source = node.output if node is not chain[-2] else join.output
        # The last one makes what the join made.
        replaced[node.output] = replace(new, output=source)
        shapes[source] = shape
    nodes = [replaced.get(node.output, node) for node in flow.nodes if node not in (split, join)]
    return replace(flow, nodes=tuple(nodes), shapes=shapes)
