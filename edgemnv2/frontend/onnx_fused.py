"""Expansions of operators that onnxruntime's graph optimisation puts together (`com.microsoft`).

Files that it saves (`optimized_model_filepath`, ORT_ENABLE_EXTENDED) hold a convolution and its
activation as one node; these are the nodes of the standard again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend.onnx_expander import Expander, Expansion, part

__all__ = ["FUSED"]

PLAIN_ACTIVATIONS = ("Relu", "Sigmoid", "Tanh")
NAMED_PARAMETERS = {"HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",)}


def _refused(to: Expander, fact: str) -> UnsupportedOperator:
    return UnsupportedOperator(
        f"{to.file}: {to.place}: {to.current.op_type} with {fact} is not supported; export without "
        "graph optimisation (onnxruntime: ORT_DISABLE_ALL)"
    )


def _activated(to: Expander, x: str) -> None:
    """The node's output: `x` behind its attribute `activation`."""
    attrs = to.attributes()
    name = attrs.get("activation", b"").decode()
    given = [float(value) for value in attrs.get("activation_params", ())]
    if name == "Clip":
        low, high = (to.constant("bound", np.float32(value)) for value in given)
        to.add("Clip", [x, low, high], to.current.output, to.name("activation"))
        return
    if name not in (*PLAIN_ACTIVATIONS, *NAMED_PARAMETERS):
        raise _refused(to, f"activation {name!r}")
    named = dict(zip(NAMED_PARAMETERS.get(name, ()), given, strict=True))
    to.add(name, [x], to.current.output, to.name("activation"), **named)


def fused_conv(node: Any, to: Expander) -> None:
    """The activation is Relu, LeakyRelu, Clip, HardSigmoid, Sigmoid, Tanh or none."""
    attrs = to.attributes("activation", "activation_params")
    has_activation = bool(to.attributes().get("activation"))
    summand = part(node, 3, 1)[0]
    operands = [x for x in part(node, 0, 3) if x]
    sums = to.fresh("conv") if summand or has_activation else node.output[0]
    to.add("Conv", operands, [sums], node.name, **attrs)
    if summand:
        total = to.fresh("sum") if has_activation else node.output[0]
        to.add("Add", [sums, summand], [total], to.name("sum"))
        sums = total
    if has_activation:
        _activated(to, sums)


def fused_gemm(node: Any, to: Expander) -> None:
    """The activation is Relu, LeakyRelu, HardSigmoid, Sigmoid or Tanh."""
    attrs = to.attributes()
    plain = {k: v for k, v in attrs.items() if not k.startswith("activation")}
    names = {"activation_alpha": "alpha", "activation_beta": "beta", "activation_gamma": "gamma"}
    activation = attrs.get("activation", b"").decode()
    named = {names[k]: v for k, v in attrs.items() if k in names}
    named = {k: v for k, v in named.items() if k in NAMED_PARAMETERS.get(activation, ())}
    if activation not in (*PLAIN_ACTIVATIONS, *NAMED_PARAMETERS):
        raise _refused(to, f"activation {activation!r}")
    sums = to.fresh("gemm")
    to.add("Gemm", [x for x in part(node, 0, 3) if x], [sums], node.name, **plain)
    to.add(activation, [sums], node.output, to.name("activation"), **named)


def fused_matmul(node: Any, to: Expander) -> None:
    """The ranks of operands that it transposes are known."""
    attrs = to.attributes()
    operands = [_turned(to, node.input[i], attrs, end) for i, end in enumerate("AB")]
    alpha = float(attrs.get("alpha", 1.0))
    product = node.output[0] if alpha == 1.0 else to.fresh("matmul")
    to.add("MatMul", operands, [product], node.name)
    if alpha != 1.0:
        factor = to.constant("alpha", np.float32(alpha))
        to.add("Mul", [product, factor], node.output, to.name("alpha"))


def _turned(to: Expander, x: str, attrs: dict[str, Any], end: str) -> str:
    """`x` with its first axis behind its batches (`transBatch`), then its last two exchanged."""
    behind, exchanged = (int(attrs.get(f"{name}{end}", 0)) for name in ("transBatch", "trans"))
    if not behind and not exchanged:
        return x
    rank = to.rank(x)
    if rank is None:
        raise _refused(to, f"trans{end}=1 of {x!r}, whose shape the file does not say,")
    axes = list(range(rank))
    if behind and rank > 2:
        axes = [*axes[1:-1], 0, axes[-1]]
    if exchanged and rank > 1:
        axes[-2:] = axes[:-3:-1]
    turned = to.fresh("turned")
    to.add("Transpose", [x], [turned], to.name("turned"), perm=axes)
    return turned


def quick_gelu(node: Any, to: Expander) -> None:
    """-"""
    # Its default is as onnxruntime's schema has it.
    alpha = to.constant("alpha", np.float32(to.attributes().get("alpha", 1.702)))
    scaled, gate = to.fresh("scaled"), to.fresh("gate")
    to.add("Mul", [node.input[0], alpha], [scaled], to.name("scaled"))
    to.add("Sigmoid", [scaled], [gate], to.name("gate"))
    to.add("Mul", [node.input[0], gate], node.output, node.name)


def qlinear_where(node: Any, to: Expander) -> None:
    """Scales and zero points are constants."""
    operands = [node.input[0], to.real(part(node, 1, 3)), to.real(part(node, 4, 3))]
    to.compute("Where", operands, part(node, 7, 2))


FUSED: dict[str, Expansion] = {
    "FusedConv": fused_conv,
    "FusedGemm": fused_gemm,
    "FusedMatMul": fused_matmul,
    "QLinearWhere": qlinear_where,
    "QuickGelu": quick_gelu,
}
