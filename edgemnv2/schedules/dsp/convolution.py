"""Dense convolutions: pointwise and dense layers by tiles of pixels, others through patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemnv2.graph import Conv2D, Graph
from edgemnv2.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.matmul import BYTES, HALVES, MatMul, fits_bytes, matmul_of
from edgemnv2.schedules.dsp.source import (
    clamp_and_pad,
    function,
    int8_io,
    pixel_tiles,
    row_layout,
)

__all__ = ["convolution_kernel", "convolution_space", "default_convolution", "matmul_of_layer"]

_HALVES_DEPTH = 32
"""Up to this many input channels, int16 weights (twice the flash) save a fifth of the loop."""


def matmul_of_layer(graph: Graph, layer: Conv2D) -> MatMul | None:
    """The matrix product of `layer`, or None where these kernels cannot compute it."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if layer.requantize is None or not int8_io(source, out):
        return None
    if str(layer.weight.dtype) not in ("int8", "int16"):
        return None
    assert source.quant is not None and out.quant is not None
    return matmul_of(
        layer.weight.reshape(-1, layer.weight.shape[-1]),
        layer.bias,
        layer.requantize,
        (source.quant.zero_point, out.quant.zero_point),
        layer.clamp,
    )


def convolution_space(layer: Conv2D) -> dict[str, tuple[Any, ...]]:
    """Weights as bytes, two channels in an int16, or as int16 each."""
    weight = layer.weight.reshape(-1, layer.weight.shape[-1])
    return {"weights": (BYTES, HALVES) if fits_bytes(weight) else (HALVES,)}


def default_convolution(layer: Conv2D) -> dict[str, Any]:
    """int16 weights where the inner loop is short."""
    kinds = convolution_space(layer)["weights"]
    depth = int(layer.weight[..., 0].size)
    return {"weights": HALVES if depth <= _HALVES_DEPTH else kinds[0]}


def convolution_kernel(
    graph: Graph,
    layer: Conv2D,
    layouts: Mapping[str, RowLayout],
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    product = matmul_of_layer(graph, layer)
    if product is None or source.name in layouts:
        return None
    assert out.quant is not None
    assert source.quant is not None
    layout = row_layout(layouts, out)
    channel_rows = layout.order == "CW"
    if rows_per_step != 1 and (channel_rows or layer.op != "pointwise"):
        return None
    pitch = layout.left + out.width + layout.right
    kind = str(decisions["weights"])
    step = 1 if channel_rows else out.channels
    first = layout.left if channel_rows else 0
    tiles = pixel_tiles(out.width * rows_per_step)
    widest = max(pixels for pixels, _ in tiles)
    words_bytes = product.words_bytes(widest)
    rows = layer.kernel[0]
    pointwise = layer.op == "pointwise"
    body = ["int32_t *words = (int32_t *)scratch;"]
    if pointwise:
        scratch_bytes = words_bytes
    else:
        patch = product.groups * 4
        scratch_bytes = words_bytes + widest * patch
        body.append(f"int8_t *patches = (int8_t *)scratch + {words_bytes};")
        body.append(f"memset(patches, 0, {widest * patch});")
    pixel = 0
    for pixels, count in tiles:
        inner = []
        at = f"({pixel} + {pixels} * i)" if count > 1 else f"{pixel}"
        if pointwise:
            depth = source.channels
            inner.append(
                f"edgemnv2_widen_{pixels}_{kind}(row_0 + {at} * {depth}, words, {depth}, {depth});"
            )
        else:
            window = layer.kernel[1] * source.channels
            stride = layer.stride[1] * source.channels
            left = layer.padding[1] * source.channels
            for row in range(rows):
                inner.append(
                    f"edgemnv2_patch_row(row_{row}, {source.width * source.channels}, "
                    f"{at} * {stride} - {left}, {stride}, {window}, "
                    f"patches + {row * window}, {patch}, {pixels}, {source.quant.zero_point});"
                )
            inner.append(f"edgemnv2_widen_{pixels}_{kind}(patches, words, {patch}, {patch});")
        inner.append(
            f"edgemnv2_tile_{pixels}_{kind}(words, stream, out + {first} + {at} * {step});"
        )
        if count > 1:
            body.append(f"for (int32_t i = 0; i < {count}; ++i) {{")
            body += ["    " + line for line in inner]
            body.append("}")
        else:
            body += inner
        pixel += pixels * count
    body += clamp_and_pad(layer.clamp, layout, out, rows_per_step)
    parameters = [f"const int8_t *row_{row}" for row in range(rows)]
    parameters += ["int8_t *out", "void *scratch", "const int32_t *stream"]
    symbol, source_text = function(f"dsp_{layer.op}", {}, parameters, body)
    return RowKernel(
        symbol=symbol,
        constants=(product.stream(kind, pitch if channel_rows else out.channels, channel_rows),),
        scratch_bytes=scratch_bytes,
        rows_per_step=rows_per_step,
        c_source=source_text,
        c_requires=("cortex_m_patches.h", "cortex_m_pointwise.h"),
        decisions=dict(decisions),
    )
