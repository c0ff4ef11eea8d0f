"""Lowering: the imported network -> `Graph`, one pass after the other.

This is the list; each pass is a file of the same name, and maps one frozen value to another.
"""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.graph import Graph
from edgemnv2.ops.model import Model
from edgemnv2.ops.validate import validate
from edgemnv2.passes.absorb_recasts import absorb_recasts
from edgemnv2.passes.drop_identities import drop_identities
from edgemnv2.passes.drop_unused import drop_unused
from edgemnv2.passes.fold_affine import fold_affine
from edgemnv2.passes.fold_batch_blocks import fold_batch_blocks
from edgemnv2.passes.fold_constants import fold_constants
from edgemnv2.passes.fold_pad import fold_pad
from edgemnv2.passes.fuse_clamp import fuse_clamp
from edgemnv2.passes.name_layers import name_layers
from edgemnv2.passes.separate_outputs import separate_outputs
from edgemnv2.passes.to_layers import to_layers
from edgemnv2.passes.to_maps import to_maps

__all__ = ["lower"]


def lower(model: Model) -> Graph:
    """The network as layers of ours; UnsupportedOperator for what MobileNetV2 does not have."""
    # Whatever no output needs -> nothing, before it can stand in the way of a fold.
    flow = drop_unused(model.flow)
    # Weights: reshapes, transposes, dequantise nodes -> constants (integers stay integers).
    flow = fold_constants(flow, lower)
    # Convolutions over every n-th pixel as an image of its own -> dilated ones.
    flow = fold_batch_blocks(flow)
    # Pad nodes -> the padding of the convolution behind them.
    flow = fold_pad(flow)
    # Any layout, reshape, transpose, matrix product -> maps [H, W, C] and convolutions over them.
    flow, outputs = to_maps(flow, model.inputs, model.outputs)
    model = replace(model, outputs=outputs)
    # Bias, batch normalisation, per-channel factors -> weight and bias.
    flow = fold_affine(flow)
    # ReLU, ReLU6, Clip -> the clamp of the layer in front.
    flow = fuse_clamp(flow)
    # quantise(dequantise(x)) with equal parameters -> x.
    flow = drop_identities(flow)
    # dequantise / operation / quantise -> integer layers with TFLite's fixed-point factors.
    graph = to_layers(flow, model)
    # uint8 <-> int8 of one scale -> nothing; inner activations int8.
    graph = absorb_recasts(graph)
    # No output is an input, and no tensor two outputs.
    graph = separate_outputs(graph)
    # stem, block1.depthwise, block1.project, block2.expand, ..., head, pool, classifier, softmax.
    graph = name_layers(graph)
    return validate(graph)
