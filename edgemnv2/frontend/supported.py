"""Files -> flows: every node by its operator's rule; all that cannot be done is said at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.frontend.counts import Counts
from edgemnv2.frontend.damage import reading
from edgemnv2.frontend.onnx_expand import EXPANSIONS
from edgemnv2.frontend.onnx_inline import COMPOSED
from edgemnv2.frontend.onnx_recurrent import CONDITION, RECURRENT
from edgemnv2.frontend.tflite_recurrent import LSTM, LSTM_CONDITION
from edgemnv2.model import SourceFormat
from edgemnv2.ops.flow import Flow, constant_output
from edgemnv2.ops.source import MOST_ELEMENTS, FlowBuilder, Refusal, SourceNode, SourceTensor
from edgemnv2.ops.table import rules_of

__all__ = ["build_flow", "supported_operators_markdown"]

# What to do about operators that people do come with.
REMEDIES = {
    **dict.fromkeys(
        ("Fused", "Nhwc", "QLinearReduceMean", "Skip"),
        "export without graph optimisation (onnxruntime: ORT_DISABLE_ALL)",
    ),
    "CALL_ONCE": "convert the model without variables (tf.Variable) that are set as it runs",
    "IF": "convert the model without control flow",
    "If": "export the model without branches (the condition is computed from the image)",
    "Loop": "export the model without loops (torch.onnx.export traces them away)",
    "MatMulNBits": "export the model with weights of 8 bits or floats",
    "Scan": "export the model without loops (torch.onnx.export traces them away)",
    "WHILE": "convert the model without control flow (a Keras LSTM, GRU or SimpleRNN with "
    "unroll=True; its .keras file needs nothing)",
}
OF_OTHERS = "What the standard makes it of is in this table"
MOST_REFUSALS = 8
"""That a message lists; the count is of all."""
MOST_LETTERS = 400
"""Of a fact in a message."""


def build_flow(
    nodes: Sequence[SourceNode],
    inputs: Sequence[SourceTensor],
    outputs: Sequence[SourceTensor],
    file: str,
    format_: SourceFormat,
    settle: Callable[[SourceNode], SourceNode] = lambda node: node,
) -> Flow:
    """The flow of a file's nodes; `settle` gives the shapes that operators make.

    Raises UnsupportedOperator with every node that cannot be done: place, fact, what must hold, and
    what to do.
    """
    rules = rules_of(format_)
    flow = FlowBuilder(file)
    counts = Counts(flow)
    for tensor in inputs:
        _check_size(tensor, file)
        _check_quantisation(tensor, file)
        flow.declare(tensor)
    refusals: list[str] = []
    made = {tensor.name for tensor in inputs}
    behind: set[str] = set()
    for node in nodes:
        flow.place = node.place
        for source in node.inputs:
            if source is not None and not source.is_constant and source.name not in made:
                raise ModelError(
                    f"{file}: {node.place}: reads {source.name!r}, which no operator before it "
                    "makes (damaged, or not in order); export the model again"
                )
            if source is not None and source.value is not None:
                _check_numbers(source, f"{file}: {node.place}")
                _check_quantisation(source, f"{file}: {node.place}")
        names = [tensor.name for tensor in node.outputs]
        for name in names:
            if name in made:
                raise ModelError(
                    f"{file}: {node.place}: makes {name!r}, which is there already (damaged, or "
                    "merged from two files); export the model again"
                )
        made.update(names)
        # What follows a refused node is not looked at: its shapes may be unknown.
        if any(source is not None and source.name in behind for source in node.inputs):
            behind.update(names)
            # What asks for a shape is there because it was not known.
            if node.operator in rules or node.operator in ("Shape", "Size"):
                continue
        with reading(f"{file}: {node.place}"):
            node = settle(replace(node, inputs=tuple(_settled(x, flow) for x in node.inputs)))
        for tensor in node.outputs:
            _check_size(tensor, f"{file}: {node.place}")
            _check_quantisation(tensor, f"{file}: {node.place}")
            flow.declare(tensor)
        rule = rules.get(node.operator)
        if rule is None:
            behind.update(names)
            refusals.append(
                f"{node.place}: operator {node.operator} is not supported; {_remedy(node)}"
            )
            continue
        try:
            with reading(f"{file}: {node.place}"):
                counts.apply(node, rule)
        except Refusal as refusal:
            expectation = refusal.expectation or _condition(rule)
            behind.update(names)
            must = f" ({_lower(expectation)})" if expectation not in ("", "-") else ""
            refusals.append(
                f"{node.place}: {node.operator} with {_short(refusal.fact)} is not "
                f"supported{must}; {_lower(refusal.remedy)}"
            )
    for tensor in outputs:
        if tensor.is_constant or tensor.name in flow.known:
            raise constant_output(file, f"output {tensor.name!r}")
        if tensor.name not in made:
            raise ModelError(
                f"{file}: no operator makes the output {tensor.name!r}; export the model again"
            )
    if refusals:
        raise UnsupportedOperator(_message(file, refusals, len(nodes)))
    return flow.flow(tuple(x.name for x in inputs), tuple(x.name for x in outputs))


def _check_numbers(tensor: SourceTensor, place: str) -> None:
    """ModelError for a constant that no training ends with."""
    if tensor.value is None or tensor.value.dtype.kind != "f":
        return
    count = int(np.isnan(tensor.value).sum())
    if count:
        raise ModelError(
            f"{place}: constant {tensor.name!r} has {count} values that are no numbers (NaN); "
            "train or export the model again"
        )


def _check_size(tensor: SourceTensor, place: str) -> None:
    """ModelError for a tensor that no memory holds, before anything works on it."""
    count = math.prod(max(extent, 1) for extent in tensor.shape)
    if count > MOST_ELEMENTS:
        raise ModelError(
            f"{place}: tensor {tensor.name!r} of {list(tensor.shape)} has {count} values (must be "
            f"{MOST_ELEMENTS} or fewer: is an extent damaged?); export the model again"
        )


def _check_quantisation(tensor: SourceTensor, place: str) -> None:
    """ModelError for a scale that is no number, and a zero point that no value can be."""
    if tensor.dtype not in ("int8", "uint8"):
        return
    for scale in () if tensor.scale is None else np.ravel(tensor.scale):
        if not (np.isfinite(scale) and scale >= 0):
            raise ModelError(
                f"{place}: tensor {tensor.name!r} has scale {scale:g} (must be a positive number: "
                "damaged?); convert the model again"
            )
    if tensor.zero_point is None:
        return
    limits = np.iinfo(tensor.dtype)
    for zero in np.ravel(tensor.zero_point):
        if not limits.min <= zero <= limits.max:
            raise ModelError(
                f"{place}: tensor {tensor.name!r} has zero point {zero} (of {tensor.dtype} it must "
                f"be {limits.min} to {limits.max}: damaged?); convert the model again"
            )


def _settled(tensor: SourceTensor | None, flow: FlowBuilder) -> SourceTensor | None:
    """The tensor with its shape, and its values where earlier nodes have turned out constant."""
    if tensor is None or tensor.is_constant:
        return tensor
    if tensor.name not in flow.known:
        return replace(tensor, shape=flow.shapes.get(tensor.name, tensor.shape))
    known = flow.known[tensor.name]
    values = known.values if known.scale is not None else known.values.astype(tensor.dtype)
    return replace(
        tensor, value=values, scale=known.scale, zero_point=known.zero_point, axis=known.axis
    )


def _message(file: str, refusals: list[str], nodes: int) -> str:
    if len(refusals) == 1:
        return f"{file}: {refusals[0]}"
    fine = nodes - len(refusals)
    shown = refusals[:MOST_REFUSALS]
    more = len(refusals) - len(shown)
    lines = [f"{file}: {len(refusals)} of {nodes} operators are not supported, {fine} are fine:"]
    lines += [f"  {line}" for line in shown]
    lines += [f"  and {more} more"] if more else []
    return "\n".join(lines)


def _short(fact: str) -> str:
    """A fact as a line: a damaged file may have lists without end."""
    return fact if len(fact) <= MOST_LETTERS else f"{fact[:MOST_LETTERS]} …"


def _remedy(node: SourceNode) -> str:
    operator = node.operator
    if operator == "NonMaxSuppression":
        # How many boxes are left depends on the image, so no array has room for them.
        boxes, scores = ([x.name for x in node.inputs if x is not None] + ["", ""])[:2]
        return (
            f"end the model at its boxes {boxes!r} and scores {scores!r} "
            "(onnx.utils.extract_model), and select boxes from the outputs in the application"
        )
    for start, remedy in REMEDIES.items():
        if operator.startswith(start):
            return remedy
    # No operator of a similar name: Ceil is no Celu.
    return "remove it before the export, or cut the model in front of it"


def _condition(rule: Callable[..., None]) -> str:
    """What must hold, from the first paragraph of a rule's docstring; "-" for nothing."""
    return " ".join((rule.__doc__ or "-").split("\n\n")[0].split()).rstrip(".")


def _lower(text: str) -> str:
    """`text` to go on after a semicolon; names such as MobileNetV2 keep their capitals."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:].islower() or first == "A" else text


def supported_operators_markdown() -> str:
    """The table of supported operators and their conditions, generated from `ops/`."""
    lines = ["| format | operator | must hold |", "|---|---|---|"]
    for title, format_ in (("ONNX", "onnx"), ("TFLite", "tflite")):
        known: dict[str, Any] = {**rules_of(format_), **(EXPANSIONS if format_ == "onnx" else {})}
        must = {operator: _condition(rule) for operator, rule in known.items()}
        if format_ == "onnx":
            must |= dict.fromkeys(COMPOSED, OF_OTHERS) | dict.fromkeys(RECURRENT, CONDITION)
        else:
            must[LSTM] = LSTM_CONDITION
        lines += [f"| {title} | {operator} | {text} |" for operator, text in sorted(must.items())]
    return "\n".join(lines) + "\n"
