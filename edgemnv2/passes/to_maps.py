"""Every tensor -> one map `[H, W, C]`; reshapes, transposes and layouts mostly disappear.

A reshape or transpose of an activation is another view of the same map (`ops.views`); data moves
where an operator cannot read the view. Weights are permuted once, here: dense convolutions to
`[KH, KW, Cin, Cout]`, depthwise ones to `[KH, KW, C]`, matrices to convolutions. What each operator
wants is in the `arrange` of its `lower.py`.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.model import TensorSpec, layout_of
from edgemnv2.ops.flow import Flow
from edgemnv2.ops.table import lowering_of
from edgemnv2.ops.views import NCHW, NHWC, Views

__all__ = ["to_maps"]


def to_maps(
    flow: Flow, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> tuple[Flow, tuple[TensorSpec, ...]]:
    """The flow with maps for shapes, and its outputs' specs with the layouts that they have.

    `inputs` tell the layout of the network's own inputs.
    """
    views = Views(flow)
    for spec in inputs:
        _add_input(views, spec)
    refused = []
    for node in flow.nodes:
        module = lowering_of(node.op)
        try:
            if module is None:
                raise views.refuse(
                    node, f"{node.op!r} on an activation is not supported; compute it on constants"
                )
            module.arrange(node, views)
        except UnsupportedOperator as refusal:
            # All are told at once: what follows finds outputs as the file has them.
            refused.append(str(refusal))
            for name in node.outputs:
                views.declare_plain(name)
    if refused:
        raise UnsupportedOperator("\n".join(refused))
    names, specs = [], []
    for name, spec in zip(flow.outputs, outputs, strict=True):
        view = views.of(name)
        if prod(spec.shape) != prod(view.shape):
            raise ModelError(
                f"{flow.source}: output {spec.name!r}: the file gives it the shape "
                f"{list(spec.shape)}, but it has {prod(view.shape)} elements; export the model "
                "again"
            )
        layout = layout_of(spec.shape, "NHWC")
        image = len(spec.shape) == 4 and spec.shape[0] == 1 and view.lies_as(NCHW)
        # Of one pixel or one channel both orders are the same data; what is one here stays one.
        vector = spec.shape[:3] == (1, 1, 1) and view.map[:2] == (1, 1)
        if image and not vector and (not view.is_plain or spec.layout == "NCHW"):
            layout = "NCHW"
        elif not view.is_plain:
            view = views.plain(view)
        if layout == "NCHW":
            view = views.as_image(view, "NCHW")
        names.append(view.name)
        specs.append(replace(spec, layout=layout))
    # A tensor that is a view of another one tells that one's scale.
    quants = dict(flow.quants)
    for name, quant in flow.quants.items():
        quants.setdefault(views.root(name), quant)
    mapped = replace(
        flow,
        quants=quants,
        nodes=tuple(views.nodes),
        shapes=views.shapes,
        dtypes=views.dtypes,
        outputs=tuple(names),
        orders=views.unusual_orders(),
    )
    return mapped, tuple(specs)


def _add_input(views: Views, spec: TensorSpec) -> None:
    shape = views.shape(spec.name)
    order = tuple(range(len(shape)))
    if len(shape) == 4:
        order = NCHW if spec.layout == "NCHW" else NHWC
        height, width, channels = (shape[axis] for axis in order[1:])
        map_ = (height, width, channels)
    else:
        map_ = views.map_of(shape, order)
    views.declare_input(spec.name, map_, order)
