"""ONNX -> ONNX: integer operators whose sums no processor cuts off.

For uint8 activations and int8 weights onnxruntime on x86 without VNNI adds pairs of products in 16
bits, and cuts what does not fit: the same file gives other outputs on other machines. Of uint8
weights with a zero point 128 higher the sums are the same numbers, and it adds those in 32 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["with_unsigned_weights"]


@dataclass(frozen=True)
class _Places:
    """Where an operator has its weights, their zero point, and the activations' (None: uint8)."""

    weight: int
    zero: int
    activation_zero: int | None


PLACES = {
    "ConvInteger": _Places(1, 3, 2),
    "DynamicQuantizeMatMul": _Places(1, 3, None),
    "MatMulInteger": _Places(1, 3, 2),
    "MatMulIntegerToFloat": _Places(1, 5, 4),
    "QGemm": _Places(3, 5, 2),
    "QLinearConv": _Places(3, 5, 2),
    "QLinearMatMul": _Places(3, 5, 2),
}


def with_unsigned_weights(model: Any) -> None:
    """Give `model` uint8 weights where it has int8 ones for uint8 activations."""
    import onnx

    arrays = {x.name: x for x in model.graph.initializer}
    made: set[str] = set()
    types = {
        x: "uint8"
        for node in model.graph.node
        if node.op_type == "DynamicQuantizeLinear"
        for x in (node.output[0], node.output[2])
    }

    def dtype(name: str) -> str:
        found = arrays.get(name)
        if found is None:
            return types.get(name, "")
        return str(onnx.helper.tensor_dtype_to_np_dtype(found.data_type))

    def moved(name: str) -> str:
        """The name of a constant 128 higher, as uint8."""
        other = f"{name}.unsigned"
        if other not in made:
            values = onnx.numpy_helper.to_array(arrays[name]).astype(np.int16) + 128
            made.add(other)
            model.graph.initializer.append(
                onnx.numpy_helper.from_array(values.astype(np.uint8), other)
            )
        return other

    for node in model.graph.node:
        places = PLACES.get(node.op_type)
        if places is None or dtype(node.input[places.weight]) != "int8":
            continue
        inputs = [*node.input, *[""] * (places.zero + 1 - len(node.input))]
        if places.activation_zero is not None and dtype(inputs[places.activation_zero]) != "uint8":
            continue
        if inputs[places.zero] and inputs[places.zero] not in arrays:
            continue
        if inputs[places.zero]:
            inputs[places.zero] = moved(inputs[places.zero])
        else:
            zero = onnx.numpy_helper.from_array(np.array(128, np.uint8), "zero.unsigned")
            if zero.name not in made:
                made.add(zero.name)
                model.graph.initializer.append(zero)
            inputs[places.zero] = zero.name
        inputs[places.weight] = moved(inputs[places.weight])
        node.ClearField("input")
        node.input.extend(inputs)
