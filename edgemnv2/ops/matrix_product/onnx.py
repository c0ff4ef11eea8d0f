"""Import rules of ONNX: Einsum, CumSum. MatMul and Gemm are read where those with weights are."""

from __future__ import annotations

from edgemnv2.ops.matrix_product.einsum import einsum
from edgemnv2.ops.matrix_product.running import cumulative_sum
from edgemnv2.ops.source import Rule

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"CumSum": cumulative_sum, "Einsum": einsum}
