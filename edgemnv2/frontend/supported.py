"""What a model file may hold, checked before TVM sees the file, and the table of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend.constraints import CONSTRAINTS, Check
from edgemnv2.frontend.source_node import SourceNode

__all__ = [
    "ONNX_OPERATORS",
    "TFLITE_OPERATORS",
    "check_nodes",
    "supported_operators_markdown",
]

ONNX_OPERATORS = (
    "Conv",
    "BatchNormalization",
    "Relu",
    "Clip",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pad",
    "GlobalAveragePool",
    "AveragePool",
    "ReduceMean",
    "Gemm",
    "MatMul",
    "Softmax",
    "Flatten",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Identity",
    "Dropout",
    "Constant",
    "QuantizeLinear",
    "DequantizeLinear",
)
TFLITE_OPERATORS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "ADD",
    "RELU",
    "RELU6",
    "PAD",
    "MEAN",
    "AVERAGE_POOL_2D",
    "FULLY_CONNECTED",
    "SOFTMAX",
    "RESHAPE",
    "SQUEEZE",
    "TRANSPOSE",
    "QUANTIZE",
    "DEQUANTIZE",
)
# What to do about operators that people do come with.
REMEDIES = {
    "QLinear": "quantise with QDQ nodes instead (onnxruntime: quant_format=QuantFormat.QDQ)",
    "ConvInteger": "quantise statically with QDQ nodes instead (onnxruntime: quantize_static)",
    "MatMulInteger": "quantise statically with QDQ nodes instead (onnxruntime: quantize_static)",
    "HardSwish": "that is MobileNetV3; this compiler takes MobileNetV2",
    "HardSigmoid": "that is MobileNetV3; this compiler takes MobileNetV2",
    "HARD_SWISH": "that is MobileNetV3; this compiler takes MobileNetV2",
    "Resize": "resize the image before the network",
    "RESIZE": "resize the image before the network",
    "ArgMax": "end the model at its scores",
    "ARG_MAX": "end the model at its scores",
    "Sigmoid": "end the model at its logits",
    "LOGISTIC": "end the model at its logits",
}


def check_nodes(nodes: Iterable[SourceNode], file: str, operators: tuple[str, ...]) -> None:
    """UnsupportedOperator for the first node that is not in `operators` or breaks a constraint."""
    for node in nodes:
        if node.operator not in operators:
            raise UnsupportedOperator(
                f"{file}: {node.place}: operator {node.operator} is not part of MobileNetV2 "
                f"(supported: {', '.join(operators)}); {_remedy(node.operator, operators)}"
            )
        for names, check in CONSTRAINTS:
            fact = check(node) if node.operator in names else None
            if fact is not None:
                expectation, remedy = _texts(check)
                raise UnsupportedOperator(
                    f"{file}: {node.place}: {node.operator} with {fact} is not supported "
                    f"({_lower(expectation)}); {_lower(remedy)}"
                )


def _remedy(operator: str, operators: tuple[str, ...]) -> str:
    for start, remedy in REMEDIES.items():
        if operator.startswith(start):
            return remedy
    near = difflib.get_close_matches(operator, operators, n=1, cutoff=0.75)
    if near:
        return f"express it by {near[0]}, or remove it before the export"
    return "remove it before the export, or cut the model in front of it"


def _texts(check: Check) -> tuple[str, str]:
    """`(what must hold, what to do)` from the docstring, each on one line, no full stop."""
    paragraphs = (check.__doc__ or "").split("\n\n")
    texts = [" ".join(x.split()).rstrip(".") for x in paragraphs]
    return texts[0], texts[1]


def _lower(text: str) -> str:
    """`text` to go on after a semicolon; names such as MobileNetV2 keep their capitals."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:].islower() or first == "A" else text


def supported_operators_markdown() -> str:
    """The table of supported operators and their constraints, for the README."""
    lines = ["| format | operator | must hold |", "|---|---|---|"]
    for format_, operators in (("ONNX", ONNX_OPERATORS), ("TFLite", TFLITE_OPERATORS)):
        for operator in operators:
            texts = [_texts(check)[0] for names, check in CONSTRAINTS if operator in names]
            lines.append(f"| {format_} | {operator} | {'; '.join(texts) or '-'} |")
    return "\n".join(lines) + "\n"
