"""Products of matrices in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.matrix_product.layer import MatrixProduct

__all__ = ["onnx"]

ROWS_FIRST = [0, 2, 3, 1]
"""From `[1, C, H, W]`, as ONNX has images, to matrices `[1, H, W, C]`."""
BACK = [0, 3, 1, 2]


def onnx(layer: MatrixProduct, to: OnnxWriter) -> str:
    """MatMul between transposes."""
    turned = []
    for index, name in enumerate(layer.inputs):
        inner = f"{layer.name}.turned{index}"
        turned.append(to.node("Transpose", [to.real(name)], inner, perm=ROWS_FIRST))
    product = to.node("MatMul", turned, f"{layer.name}.product")
    return to.node("Transpose", [product], perm=BACK)
