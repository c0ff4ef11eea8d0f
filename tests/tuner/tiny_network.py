"""The beginning of a narrow network: stem, depthwise, pointwise; quick to build."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower


@cache
def tiny_network(layers: int = 3, model: str = "mobilenetv2-0.35-32-int8") -> Graph:
    """The graph that ends behind the first `layers` layers."""
    whole = lower(load_model(model))
    kept = whole.layers[:layers]
    names = {name for layer in kept for name in (*layer.inputs, layer.output)}
    end = whole.tensors[kept[-1].output]
    spec = replace(whole.output_specs[0], shape=(1, *end.shape), layout="NHWC", dtype=end.dtype)
    return replace(
        whole,
        name="tiny",
        layers=kept,
        tensors={name: whole.tensors[name] for name in sorted(names)},
        outputs=(end.name,),
        output_specs=(spec,),
    )
