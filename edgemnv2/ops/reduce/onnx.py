"""Import rules of ONNX: reductions other than means."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.onnx_terms import axes_of
from edgemnv2.ops.reduce.factors import add_reduced_product
from edgemnv2.ops.reduce.onnx_normalisation import RULES as NORMALISATIONS
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def _reduction(function: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """Axes are constants."""
        axes = axes_of(node)
        if axes is None:
            flow.alias(node.output, flow.stored(node.input(0)))
            return
        attrs = {"axes": axes, "function": function}
        flow.move("reduce", [flow.stored(node.input(0))], node.output, attrs)

    return rule


def _of_each(before: str, behind: str = "") -> Rule:
    """The sum of what `before` makes of each value, and `behind` of the sum."""

    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """Axes are constants."""
        axes, source, output = axes_of(node), node.input(0), node.output
        inner = flow.add(before, [flow.stored(source)], flow.fresh(source))
        if axes is not None:
            attrs = {"axes": axes, "function": "sum"}
            inner = flow.add("reduce", [inner], flow.fresh(output), attrs)
        if behind:
            inner = flow.add(behind, [inner], flow.fresh(output))
        flow.result(inner, output)

    return rule


def reduce_log_sum(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    axes, total = axes_of(node), flow.stored(node.input(0))
    if axes is not None:
        attrs = {"axes": axes, "function": "sum"}
        total = flow.add("reduce", [total], flow.fresh(node.output), attrs)
    flow.result(flow.step("log", total, node.output), node.output)


def reduce_log_sum_exp(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    axes, source, output = axes_of(node), node.input(0), node.output
    if axes is None:
        flow.alias(output, flow.stored(source))
        return
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(source.shape))

    def reduced(x: str | Constant, function: str) -> str:
        attrs = {"axes": axes, "function": function}
        return flow.add("reduce", [x], flow.fresh(output, shape=kept), attrs)

    # Less the largest, so that nothing is beyond float32.
    stored = flow.stored(source)
    top = reduced(stored, "max")
    below = flow.add("subtract", [stored, top], flow.fresh(source))
    total = flow.step("log", reduced(flow.step("exp", below, source), "sum"), output, to_shape=kept)
    whole = flow.add("add", [total, top], flow.fresh(output, shape=kept))
    flow.move("reshape", [whole], output, {"shape": output.shape})


def reduce_prod(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants, of 1024 values or fewer together."""
    axes, source, output = axes_of(node), node.input(0), node.output
    if axes is None:
        flow.alias(output, flow.stored(source))
        return
    add_reduced_product(flow, source, output, axes)


def global_max_pool(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    axes = tuple(range(2, len(node.input(0).shape)))
    attrs = {"axes": axes, "function": "max"}
    flow.move("reduce", [flow.stored(node.input(0))], node.output, attrs)


RULES: dict[str, Rule] = {
    **NORMALISATIONS,
    "GlobalMaxPool": global_max_pool,
    "ReduceL1": _of_each("abs"),
    "ReduceL2": _of_each("square", "sqrt"),
    "ReduceLogSum": reduce_log_sum,
    "ReduceLogSumExp": reduce_log_sum_exp,
    "ReduceMax": _reduction("max"),
    "ReduceMin": _reduction("min"),
    "ReduceProd": reduce_prod,
    "ReduceSum": _reduction("sum"),
    "ReduceSumSquare": _of_each("square"),
}
