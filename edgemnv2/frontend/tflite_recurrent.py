"""TFLite -> TFLite: UNIDIRECTIONAL_SEQUENCE_LSTM as the steps that it is made of.

As `onnx_recurrent`: the products with the inputs are one over the whole sequence, the recurrent
weights one constant for all steps. Operands are those of TensorFlow Lite's
`unidirectional_sequence_lstm.cc`; an interpreter zeroes the states when its tensors are allocated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend.onnx_recurrent import MOST_STEPS
from edgemnv2.ops.source import SourceNode, SourceTensor

__all__ = ["LSTM", "LSTM_CONDITION", "unroll"]

Array = NDArray[Any]
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
LSTM_CONDITION = (
    f"Floats, weights are constants, sequences of 1 to {MOST_STEPS} steps, which are unrolled; no "
    "peepholes, projection or normalisation, four gates; states are zeros at every inference"
)
"""For the table of operators."""
# Places of operands: of input, forget, cell and output gate each.
WEIGHTS, RECURRENT, PEEPHOLES, BIASES = (1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11), (12, 13, 14, 15)
PROJECTION, NORMALISATION = (16, 17), (20, 21, 22, 23)
STATES = (18, 19)
GATES = (0, 1, 3, 2)
"""Their order in our products: those that a sigmoid follows lie side by side."""
FUSED = {"TANH": "TANH", "RELU": "RELU", "RELU6": "RELU6", "NONE": ""}


def unroll(nodes: Sequence[SourceNode], file: str) -> list[SourceNode]:
    """The nodes with the steps of every LSTM in its place.

    Raises UnsupportedOperator for a form that is not taken.
    """
    made = {tensor.name for node in nodes for tensor in node.outputs}
    found: list[SourceNode] = []
    for node in nodes:
        found += [node] if node.operator != LSTM else _Steps(node, file, made).nodes
    return found


class _Steps:
    """The nodes that take the place of one."""

    def __init__(self, node: SourceNode, file: str, made: set[str]) -> None:
        self.node, self.file, self.nodes = node, file, list[SourceNode]()
        self._check_form(made)
        x = node.input(0)
        order = (0, 1) if node.get("time_major", False) else (1, 0)
        length, batch = (x.shape[axis] for axis in order)
        if not 1 <= length <= MOST_STEPS:
            self.refuse(f"{length} steps", f"convert it with 1 to {MOST_STEPS}")
        self.hidden = node.input(RECURRENT[0]).shape[1]
        if batch > 1 and order == (1, 0):
            self.refuse(f"{batch} sequences", "convert the model for one at a time")
        self._write(x, length, batch)

    def refuse(self, fact: str, remedy: str) -> Any:
        """UnsupportedOperator with the node's place."""
        raise UnsupportedOperator(
            f"{self.file}: {self.node.place}: {LSTM} with {fact} is not supported; {remedy}"
        )

    def _check_form(self, made: set[str]) -> None:
        node = self.node
        x = node.input(0)
        if x.is_quantized or node.output.is_quantized:
            self.refuse(
                "integer activations",
                "convert the model in floats and quantise that (edgemnv2 quantize), or its layer "
                "with unroll=True",
            )
        if len(x.shape) != 3:
            self.refuse(f"an input of shape {list(x.shape)}", "convert it again")
        for places, what in (
            (PEEPHOLES, "peepholes"),
            (PROJECTION, "a projection"),
            (NORMALISATION, "normalised gates"),
        ):
            if any(node.optional(i) is not None for i in places):
                self.refuse(what, "train it without")
        if node.optional(WEIGHTS[0]) is None:
            self.refuse("coupled gates", "train it with four gates")
        for i in (*WEIGHTS, *RECURRENT):
            if node.input(i).value is None:
                self.refuse("weights that are computed", "convert it with constant weights")
        for i in STATES:
            state = node.optional(i)
            if state is not None and (state.value is not None or state.name in made):
                self.refuse("a state that is given", "convert it with states that are zeros")
        if node.get("diagonal_recurrent_tensors", False):
            self.refuse("diagonal recurrent weights", "convert it with whole ones")
        fused = str(node.get("fused_activation_function", "TANH"))
        if fused not in FUSED:
            self.refuse(f"activation {fused}", f"use one of {', '.join(FUSED)}")
        self.fused = FUSED[fused]

    # -- nodes -----------------------------------------------------------------------------------

    def add(
        self, operator: str, inputs: Sequence[SourceTensor], shape: tuple[int, ...], **attrs: Any
    ) -> SourceTensor:
        """A node; what it makes."""
        name = f"{self.node.output.name}.step{len(self.nodes)}"
        out = SourceTensor(name, shape, "float32", None)
        self.nodes.append(SourceNode(operator, self.node.place, tuple(inputs), (out,), attrs))
        return out

    def constant(self, values: Any, dtype: Any = np.int32) -> SourceTensor:
        """A new constant."""
        array = np.asarray(values, dtype)
        name = f"{self.node.output.name}.constant{len(self.nodes)}.{array.shape}"
        return SourceTensor(name, array.shape, array.dtype.name, array)

    def reshaped(self, x: SourceTensor, shape: tuple[int, ...]) -> SourceTensor:
        """`x` of another shape."""
        return self.add("RESHAPE", [x, self.constant(shape)], shape)

    def cut(self, x: SourceTensor, begin: tuple[int, int], shape: tuple[int, int]) -> SourceTensor:
        """The part of a matrix from `begin` on."""
        return self.add("SLICE", [x, self.constant(begin), self.constant(shape)], shape)

    def stacked(self, places: tuple[int, ...]) -> SourceTensor:
        """Weights of all gates `[4 * hidden, K]` in the order of `GATES`, stored as they are."""
        parts = [self.node.input(places[gate]) for gate in GATES]
        values = np.concatenate([np.asarray(x.value) for x in parts])
        whole = replace(parts[0], shape=values.shape, value=values)
        scales = [
            np.broadcast_to(np.ravel(x.scale), x.shape[:1]) for x in parts if x.scale is not None
        ]
        if len(scales) not in (0, len(parts)):
            self.refuse("weights of two types", "convert it again")
        if scales:
            zeros = np.zeros(values.shape[0], np.int64)
            whole = replace(whole, scale=np.concatenate(scales), zero_point=zeros)
        return whole

    def biases(self) -> SourceTensor:
        """Those of all gates, in the order of `GATES`; zeros where one is left out."""
        parts = []
        for gate in GATES:
            bias = self.node.optional(BIASES[gate])
            values = None if bias is None else bias.value
            parts.append(np.zeros(self.hidden, np.float32) if values is None else np.ravel(values))
        return self.constant(np.concatenate(parts), np.float32)

    # -- the network -----------------------------------------------------------------------------

    def _activated(self, x: SourceTensor) -> SourceTensor:
        return self.add(self.fused, [x], x.shape) if self.fused else x

    def _clipped(self, cell: SourceTensor, steps: int) -> SourceTensor:
        """Within `cell_clip` (Keras 2 writes 10); a tanh adds 1 at most in a step."""
        clip = float(self.node.get("cell_clip", 0.0))
        if clip <= 0 or (self.fused == "TANH" and steps <= clip):
            return cell
        for operator, end in (("MINIMUM", clip), ("MAXIMUM", -clip)):
            cell = self.add(operator, [cell, self.constant([end], np.float32)], cell.shape)
        return cell

    def _write(self, x: SourceTensor, length: int, batch: int) -> None:
        size, width = self.hidden, 4 * self.hidden
        flat = self.reshaped(x, (length * batch, x.shape[2]))
        operands = [flat, self.stacked(WEIGHTS), self.biases()]
        driven = self.add("FULLY_CONNECTED", operands, (length * batch, width))
        weights = self.stacked(RECURRENT)
        one = (batch, size)
        state: SourceTensor | None = None
        cell: SourceTensor | None = None
        states = []
        for time in range(length):
            sums = self.cut(driven, (time * batch, 0), (batch, width))
            if state is not None:
                product = self.add("FULLY_CONNECTED", [state, weights], (batch, width))
                sums = self.add("ADD", [sums, product], (batch, width))
            gates = self.cut(sums, (0, 0), (batch, 3 * size))
            gates = self.add("LOGISTIC", [gates], gates.shape)
            new = self._activated(self.cut(sums, (0, 3 * size), one))
            added = self.add("MUL", [self.cut(gates, (0, 0), one), new], one)
            if cell is not None:
                kept = self.add("MUL", [self.cut(gates, (0, size), one), cell], one)
                added = self.add("ADD", [kept, added], one)
            cell = self._clipped(added, time + 1)
            shown = self._activated(cell)
            state = self.add("MUL", [self.cut(gates, (0, 2 * size), one), shown], one)
            states.append(state)
        whole = states[0]
        if length > 1:
            whole = self.add("CONCATENATION", states, (length * batch, size), axis=0)
        self.reshaped(whole, self.node.output.shape)
        last = self.nodes[-1]
        self.nodes[-1] = replace(last, outputs=(self.node.output,))
