"""Every tensor -> one map `[H, W, C]`; reshapes, transposes and layouts disappear.

A reshape or transpose of an activation moves no data: it is another view of the same map, and
the view says how the next operator reads it. Weights are permuted once, here: dense convolutions
to `[KH, KW, Cin, Cout]`, depthwise ones to `[KH, KW, C]`, matrices to convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.model import TensorSpec
from edgemnv2.ops.flow import Constant, Flow, Node

__all__ = ["to_nhwc"]

Shape = tuple[int, ...]
PER_CHANNEL = ("add", "subtract", "multiply", "divide")
ELEMENTWISE = ("clip", "quantize", "dequantize", "astype")


@dataclass(frozen=True)
class _View:
    """How the source sees a tensor: the order of its map's data and the shape it gives it."""

    name: str
    map: tuple[int, int, int]
    order: str
    shape: Shape

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.map[0] * self.map[1]

    @property
    def channel_axis(self) -> int | None:
        """The axis of `shape` that is exactly the channels, or None."""
        height, width, channels = self.map
        if self.order == "NCHW" and self.shape == (1, channels, height, width):
            return 1
        if self.order == "NHWC" and self.shape[-1] == channels:
            return len(self.shape) - 1
        if self.order == "NCHW" and self.shape == (1, channels, height * width):
            return 1
        if self.pixels == 1 and self.shape.count(channels) >= 1:
            # One pixel has no order: any axis of that extent is the channels.
            return max(i for i, extent in enumerate(self.shape) if extent == channels)
        return None

    def arranged(self, layout: str) -> bool:
        """Whether `shape` is the map in `layout`, without moving data."""
        height, width, channels = self.map
        shape = (1, height, width, channels) if layout == "NHWC" else (1, channels, height, width)
        free = self.pixels == 1 or channels == 1
        return self.shape == shape and (self.order == layout or free)


def to_nhwc(flow: Flow, inputs: tuple[TensorSpec, ...]) -> Flow:
    """The flow with maps for shapes; `inputs` tell the layout of the network's own inputs."""
    return _Converter(flow, inputs).convert()


class _Converter:
    """Carries a view per tensor from the inputs to the outputs."""

    def __init__(self, flow: Flow, inputs: tuple[TensorSpec, ...]) -> None:
        self.flow = flow
        self.nodes: list[Node] = []
        self.views: dict[str, _View] = {}
        self.shapes: dict[str, Shape] = {}
        for spec in inputs:
            self._add_input(spec)

    def _add_input(self, spec: TensorSpec) -> None:
        shape = self.flow.shapes[spec.name]
        if len(shape) != 4 or shape[0] != 1:
            raise ModelError(
                f"{self.flow.source}: input {spec.name!r} has shape {list(shape)} (must be one "
                "image: [1, H, W, C] or [1, C, H, W])"
            )
        height, width, channels = shape[1:]
        if spec.layout == "NCHW":
            channels, height, width = shape[1:]
        view = _View(spec.name, (height, width, channels), spec.layout, shape)
        self.views[spec.name] = view
        self.shapes[spec.name] = view.map

    def convert(self) -> Flow:
        """All nodes, in order."""
        for node in self.flow.nodes:
            getattr(self, f"_{node.op}", self._unknown)(node)
        outputs = []
        for name in self.flow.outputs:
            view = self.views[name]
            plain = view.order == "NHWC" or view.arranged("NCHW") or view.pixels == 1
            if not plain:
                raise UnsupportedOperator(
                    f"{self.flow.source}: output of shape {list(view.shape)} flattens a map in "
                    "NCHW order: end the model before the Flatten, or with a classifier"
                )
            outputs.append(view.name)
        return replace(
            self.flow,
            nodes=tuple(self.nodes),
            shapes=self.shapes,
            outputs=tuple(outputs),
        )

    def _unknown(self, node: Node) -> None:
        raise UnsupportedOperator(
            f"{self.flow.source}: {node.op!r} on an activation is not part of MobileNetV2"
        )

    def _refuse(self, node: Node, why: str) -> UnsupportedOperator:
        shape = list(self.flow.shapes[node.output])
        return UnsupportedOperator(
            f"{self.flow.source}: {node.op} with output shape {shape}: {why}"
        )

    def _emit(self, node: Node, view: _View) -> None:
        self.nodes.append(node)
        self.views[node.output] = replace(view, name=node.output)
        self.shapes[node.output] = view.map

    def _view(self, node: Node, index: int = 0) -> _View:
        name = node.inputs[index]
        if not isinstance(name, str):
            raise self._refuse(node, f"operand {index} must be an activation, not a constant")
        return self.views[name]

    def _constant(self, node: Node, index: int) -> Constant:
        value = node.inputs[index]
        if not isinstance(value, Constant):
            raise self._refuse(node, f"operand {index} must be a constant")
        return value

    # -- views ---------------------------------------------------------------------------------

    def _reshape(self, node: Node) -> None:
        view = self._view(node)
        view = replace(view, shape=node.attrs["shape"])
        for layout in ("NHWC", "NCHW"):
            # Over one pixel (or one channel) both orders are the same data.
            if view.arranged(layout) and not view.arranged(view.order):
                view = replace(view, order=layout)
        self.views[node.output] = view

    def _permute(self, node: Node) -> None:
        view, axes = self._view(node), node.attrs["axes"]
        shape = tuple(view.shape[axis] for axis in axes)
        moved = tuple(axis for axis in axes if view.shape[axis] != 1)
        if moved == tuple(sorted(moved)):
            order = view.order
        elif view.arranged("NCHW") and axes == (0, 2, 3, 1):
            order = "NHWC"
        elif view.arranged("NHWC") and axes == (0, 3, 1, 2):
            order = "NCHW"
        else:
            raise self._refuse(
                node, f"transpose {list(axes)} of {list(view.shape)} is not NCHW <-> NHWC"
            )
        self._reshape(Node("reshape", (view.name,), node.output, {"shape": shape}))
        self.views[node.output] = replace(self.views[node.output], order=order)

    # -- elementwise ---------------------------------------------------------------------------

    def _elementwise(self, node: Node) -> None:
        view = self._view(node)
        self._emit(node.with_input(0, view.name), view)

    _clip = _quantize = _dequantize = _astype = _elementwise

    def _vector(self, node: Node, index: int, view: _View) -> Constant:
        """Constant operand `index` as one value per channel (or a single one)."""
        constant = self._constant(node, index)
        if constant.values.size == 1:
            return constant.reshape((1,))
        rank = len(view.shape)
        shape = (1,) * (rank - constant.values.ndim) + constant.values.shape
        axis = view.channel_axis
        if axis is None or len(shape) != rank or shape[axis] != constant.values.size:
            raise self._refuse(
                node, f"constant of shape {list(constant.values.shape)} is not one per channel"
            )
        return constant.reshape((constant.values.size,))

    def _per_channel(self, node: Node) -> None:
        first, second = node.inputs
        if isinstance(first, Constant) and node.op in ("add", "multiply"):
            first, second = second, first
            node = replace(node, inputs=(first, second))
        view = self._view(node)
        if isinstance(second, Constant):
            operand: str | Constant = self._vector(node, 1, view)
        else:
            other = self.views[second]
            same = other.map == view.map and other.shape == view.shape
            if node.op != "add" or not same or other.order != view.order:
                raise self._refuse(
                    node,
                    f"operands {list(view.shape)} and {list(other.shape)} "
                    "(only the sum of two tensors of one shape is supported)",
                )
            operand = other.name
        self._emit(replace(node, inputs=(view.name, operand)), view)

    _add = _subtract = _multiply = _divide = _per_channel

    def _batch_norm(self, node: Node) -> None:
        view = self._view(node)
        if node.attrs["axis"] % len(view.shape) != view.channel_axis:
            raise self._refuse(node, "batch normalisation must be over the channels")
        vectors = tuple(self._constant(node, i) for i in range(1, 5))
        self._emit(replace(node, inputs=(view.name, *vectors)), view)

    # -- reductions ----------------------------------------------------------------------------

    def _pool(self, node: Node, view: _View, kind: str) -> None:
        map_ = (1, 1, view.map[2])
        shape = self.flow.shapes[node.output]
        pool = Node("pool", (view.name,), node.output, {"kind": kind})
        self._emit(pool, _View(view.name, map_, view.order, shape))

    def _mean(self, node: Node) -> None:
        view = self._view(node)
        channel = view.channel_axis
        # A single pixel may be averaged over any of its axes of extent 1.
        needed = {i for i, extent in enumerate(view.shape) if i != channel and extent != 1}
        given = {axis for axis in node.attrs["axes"] if view.shape[axis] != 1}
        if channel is None or channel in node.attrs["axes"] or given != needed:
            raise self._refuse(node, "a mean must be over the whole height and width")
        self._pool(node, view, "mean")

    def _avg_pool(self, node: Node) -> None:
        view = self._view(node)
        if not view.arranged(node.attrs["layout"]) or node.attrs["size"] != view.map[:2]:
            raise self._refuse(
                node,
                f"average pooling of {list(node.attrs['size'])} (must be the whole map, "
                f"{list(view.map[:2])})",
            )
        if any(node.attrs["padding"]):
            raise self._refuse(node, "average pooling with padding is not supported")
        self._pool(node, view, "average")

    def _softmax(self, node: Node) -> None:
        view = self._view(node)
        if node.attrs["axis"] != view.channel_axis:
            raise self._refuse(node, "softmax must be over the channels")
        self._emit(node.with_input(0, view.name), view)

    # -- products ------------------------------------------------------------------------------

    def _conv2d(self, node: Node) -> None:
        view, attrs = self._view(node), node.attrs
        layout, kernel = attrs["data_layout"], attrs["kernel_layout"]
        weight = self._constant(node, 1)
        weight = weight.transpose(tuple(kernel.index(x) for x in "HWIO"))
        if any(x != 1 for x in attrs["dilation"]):
            raise self._refuse(node, f"dilation {attrs['dilation']} is not supported (must be 1)")
        height, width, channels = view.map
        if not view.arranged(layout):
            self._convolve_view(node, view, weight)
            return
        kh, kw, inner, outer = weight.values.shape
        groups = attrs["groups"]
        if groups == 1:
            op = "conv2d"
        elif groups == channels == outer and inner == 1:
            op, weight = "depthwise", weight.reshape((kh, kw, channels))
        else:
            raise self._refuse(
                node,
                f"group={groups} with {outer} output channels is not supported (group must be 1, "
                f"or the number of input channels and of output channels, {channels})",
            )
        top, left, bottom, right = attrs["padding"]
        (sy, sx) = attrs["stride"]
        out = ((height + top + bottom - kh) // sy + 1, (width + left + right - kw) // sx + 1, outer)
        made = Node(
            op,
            (view.name, weight),
            node.output,
            {"stride": attrs["stride"], "padding": attrs["padding"], "dense": False},
        )
        self._emit(made, _View(node.output, out, layout, self.flow.shapes[node.output]))

    def _convolve_view(self, node: Node, view: _View, weight: Constant) -> None:
        """A 1x1 convolution over a flattened map is the matrix product of the classifier."""
        kh, kw, inner, outer = weight.values.shape
        pixel = (inner,) == tuple(x for x in view.shape if x != 1) and node.attrs["groups"] == 1
        if not pixel or (kh, kw) != (1, 1) or any(node.attrs["padding"]):
            raise self._refuse(
                node,
                f"convolution in {node.attrs['data_layout']} over a {view.order} tensor seen as "
                f"{list(view.shape)} is not supported",
            )
        self._product(node, view, weight.reshape((inner, outer)), dense=False)

    def _matmul(self, node: Node) -> None:
        self._product(node, self._view(node), self._constant(node, 1), dense=True)

    def _product(self, node: Node, view: _View, matrix: Constant, dense: bool) -> None:
        """`[M, K] x [K, N]`: per pixel where K is the channels, over the whole map where M is 1."""
        height, width, channels = view.map
        if matrix.values.ndim != 2:
            raise self._refuse(node, "a matrix product needs a constant matrix [K, N]")
        inner, outer = matrix.values.shape
        shape = self.flow.shapes[node.output]
        if inner == channels and view.channel_axis == len(view.shape) - 1:
            weight = matrix.reshape((1, 1, inner, outer))
            out = (height, width, outer)
        elif inner == height * width * channels == view.shape[-1]:
            weight = _over_map(matrix, view.map, view.order)
            out = (1, 1, outer)
        else:
            raise self._refuse(
                node,
                f"matrix [{inner}, {outer}] does not fit a {view.order} tensor seen as "
                f"{list(view.shape)}",
            )
        made = Node(
            "conv2d",
            (view.name, weight),
            node.output,
            {"stride": (1, 1), "padding": (0, 0, 0, 0), "dense": dense},
        )
        self._emit(made, _View(node.output, out, "NHWC", shape))


def _over_map(matrix: Constant, map_: tuple[int, int, int], order: str) -> Constant:
    """`[K, N]` over a flattened map -> `[H, W, C, N]`."""
    height, width, channels = map_
    outer = matrix.values.shape[1]
    if order == "NHWC":
        return matrix.reshape((height, width, channels, outer))
    return matrix.reshape((channels, height, width, outer)).transpose((1, 2, 0, 3))
