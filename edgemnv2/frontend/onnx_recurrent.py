"""ONNX -> ONNX: LSTM, GRU and RNN as the steps that they are made of, one after the other.

A sequence has a known length, so the loop is unrolled: the weights are one constant for all steps,
and the products with the inputs, which wait for nothing, are one product over the whole sequence.
The equations are those of the ONNX standard (operators LSTM, GRU, RNN).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend.onnx_prepare import attribute, inferred

__all__ = ["CONDITION", "RECURRENT", "unroll"]

Array = NDArray[Any]

RECURRENT = {"GRU": 3, "LSTM": 4, "RNN": 1}
"""Operators, and how many gates each has."""
ACTIVATIONS: Mapping[str, Mapping[str, float]] = {
    "Affine": {"alpha": 1.0, "beta": 0.0},
    "Elu": {"alpha": 1.0},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.01},
    "Relu": {},
    "Sigmoid": {},
    "Softplus": {},
    "Softsign": {},
    "Tanh": {},
}
"""And their constants, each where nothing else is said."""
Activation = tuple[str, dict[str, float]]
USUAL = {"GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "RNN": ("Tanh",)}
MOST_STEPS = 128
"""Of which each is a dozen layers."""
CONDITION = (
    f"Weights are constants, sequences whole and of 1 to {MOST_STEPS} steps, which are unrolled; "
    "no clip, no peepholes"
)
"""For the table of operators."""


def unroll(model: Any, file: str) -> None:
    """Put the steps of every recurrent node of a prepared `model` in its place.

    Raises UnsupportedOperator for a form that is not taken.
    """
    import onnx

    if not any(node.op_type in RECURRENT for node in model.graph.node):
        return
    shapes, _ = inferred(model, file)
    known = {x.name: x for x in model.graph.initializer}
    nodes: list[Any] = []
    for index, node in enumerate(model.graph.node):
        if node.op_type not in RECURRENT:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
            continue
        steps = _Steps(model, node, known, shapes, file, f"{node.op_type.lower()}{index}")
        steps.write()
        nodes.extend(steps.nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


class _Steps:
    """The nodes that take the place of one."""

    def __init__(
        self,
        model: Any,
        node: Any,
        known: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        file: str,
        prefix: str,
    ) -> None:
        self.model, self.node, self.known, self.file = model, node, known, file
        self.prefix, self.count = prefix, 0
        self.nodes: list[Any] = []
        opsets = {x.domain or "ai.onnx": x.version for x in model.opset_import}
        self.opset = int(opsets.get("ai.onnx", 1))
        self.op = str(node.op_type)
        self.gates = RECURRENT[self.op]
        shape = shapes.get(node.input[0], ())
        if len(shape) != 3:
            self.refuse(f"an input of shape {list(shape)}", "export it with fixed input sizes")
        self.length, self.batch, self.features = shape
        self.hidden = self.weight(2, "recurrent weights").shape[2]
        self._check_form()

    def refuse(self, fact: str, remedy: str) -> Any:
        """UnsupportedOperator with the node's place."""
        name = self.node.name or self.node.output[0]
        raise UnsupportedOperator(
            f"{self.file}: node {name!r}: {self.op} with {fact} is not supported; {remedy}"
        )

    def _check_form(self) -> None:
        node = self.node
        if not 1 <= self.length <= MOST_STEPS:
            self.refuse(f"{self.length} steps", f"export it with 1 to {MOST_STEPS}")
        if attribute(node, "layout", 0):
            self.refuse("the batch in front (layout=1)", "export it with layout=0")
        if attribute(node, "clip", 0.0):
            self.refuse("clip", "export it without")
        if attribute(node, "input_forget", 0):
            self.refuse("coupled gates (input_forget=1)", "export it without")
        if len(node.input) > 7 and node.input[7]:
            self.refuse("peepholes", "train it without")
        if len(node.input) > 4 and node.input[4]:
            lengths = self.weight(4, "sequence lengths")
            if (lengths != self.length).any():
                self.refuse("sequences that end early", "export it with whole sequences")
        directions = self.weight(1, "weights").shape[0]
        of_each = len(USUAL[self.op])
        given = attribute(node, "activations", None)
        names = [x.decode() if isinstance(x, bytes) else str(x) for x in given or ()]
        names = names or [*USUAL[self.op]] * directions
        spelled = {x.lower(): x for x in ACTIVATIONS}
        # Each list holds constants of those functions alone that have one.
        given_constants = {
            name: [float(x) for x in attribute(node, f"activation_{name}", ())]
            for name in ("alpha", "beta")
        }
        called: list[Activation] = []
        for name in names:
            if name.lower() not in spelled:
                self.refuse(f"activation {name}", f"use one of {', '.join(ACTIVATIONS)}")
            op = spelled[name.lower()]
            if op == "Affine" and not given_constants["alpha"]:
                # The standard has no usual value.
                self.refuse(
                    "activation Affine without its alpha", "export it with activation_alpha"
                )
            constants = {
                k: given_constants[k].pop(0) if given_constants[k] else usual
                for k, usual in ACTIVATIONS[op].items()
            }
            called.append((op, constants))
        self.activations = [called[i * of_each : (i + 1) * of_each] for i in range(directions)]

    def weight(self, index: int, what: str) -> Array:
        """The constant input `index`."""
        import onnx

        name = self.node.input[index]
        if name not in self.known:
            self.refuse(f"{what} that are computed", "export it with constant, float weights")
        return np.asarray(onnx.numpy_helper.to_array(self.known[name]))

    # -- nodes -----------------------------------------------------------------------------------

    def fresh(self) -> str:
        """A name for a new tensor."""
        self.count += 1
        return f"{self.prefix}.{self.node.output[0] or self.node.name}.{self.count}"

    def add(self, op: str, *inputs: str, to: str = "", **attrs: Any) -> str:
        """A node of the standard; the name of its output."""
        import onnx

        name = to or self.fresh()
        self.nodes.append(onnx.helper.make_node(op, inputs, [name], self.node.name, **attrs))
        return name

    def constant(self, values: Any) -> str:
        """A new constant."""
        import onnx

        name = self.fresh()
        array = np.ascontiguousarray(values)
        self.model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        return name

    def activated(self, activation: Activation, x: str) -> str:
        """A function of every value."""
        op, constants = activation
        if op != "Affine":
            return self.add(op, x, to="", **dict[str, Any](constants))
        alpha, beta = (self.constant(np.full(1, constants[k], np.float32)) for k in constants)
        return self.add("Add", self.add("Mul", x, alpha), beta)

    def cut(self, x: str, first: int, end: int, axis: int) -> str:
        """`x` from `first` to before `end` along `axis`."""
        if self.opset < 10:
            return self.add("Slice", x, starts=[first], ends=[end], axes=[axis])
        bounds = (self.constant(np.array([value], np.int64)) for value in (first, end, axis))
        return self.add("Slice", x, *bounds)

    def reshaped(self, x: str, shape: Sequence[int], to: str = "") -> str:
        """`x` of another shape."""
        return self.add("Reshape", x, self.constant(np.array(shape, np.int64)), to=to)

    # -- the network -----------------------------------------------------------------------------

    def write(self) -> None:
        """All nodes, which end in the outputs of the node."""
        x = self.node.input[0]
        direction = str(attribute(self.node, "direction", "forward"))
        found = []
        for index in range(self.weight(1, "weights").shape[0]):
            backwards = direction == "reverse" or index == 1
            found.append(self._direction(x, index, backwards))
        whole, last, last_cell = [*self.node.output, "", ""][:3]
        if whole:
            self._whole([states for states, _, _ in found], whole)
        if last:
            self._last([state for _, state, _ in found], last)
        if last_cell:
            self._last([cell for _, _, cell in found], last_cell)

    def _whole(self, directions: list[list[str]], to: str) -> None:
        count, batch, hidden = len(directions), self.batch, self.hidden
        # Of [steps, directions, batch, hidden].
        rows = []
        for states in directions:
            row = states[0] if len(states) == 1 else self.add("Concat", *states, axis=0)
            rows.append(self.reshaped(row, (self.length, batch, hidden)))
        y = rows[0] if count == 1 else self.add("Concat", *rows, axis=2)
        # [steps, batch, directions * hidden]
        y = self.reshaped(y, (self.length, batch, count, hidden))
        if batch == 1 or count == 1:
            self.reshaped(y, (self.length, count, batch, hidden), to=to)
        else:
            self.add("Transpose", y, perm=[0, 2, 1, 3], to=to)

    def _last(self, states: list[str], to: str) -> None:
        count, batch, hidden = len(states), self.batch, self.hidden
        y = states[0] if count == 1 else self.add("Concat", *states, axis=0)
        self.reshaped(y, (count, batch, hidden), to=to)

    def _direction(self, x: str, index: int, backwards: bool) -> tuple[list[str], str, str]:
        """The states `[batch, hidden]` in the order of time, the last one, and the last cell."""
        width = self.gates * self.hidden
        weights = self.weight(1, "weights")[index].T
        recurrent = self.weight(2, "recurrent weights")[index].T
        bias = np.zeros((2, width), weights.dtype)
        if len(self.node.input) > 3 and self.node.input[3]:
            bias = self.weight(3, "biases")[index].reshape(2, width)
        both = bias[0] + bias[1]
        if self.op == "GRU" and attribute(self.node, "linear_before_reset", 0):
            # The reset gate scales the last gate's second bias too.
            both[2 * self.hidden :] = bias[0][2 * self.hidden :]
        flat = self.reshaped(x, (self.length * self.batch, self.features))
        driven = self.add("MatMul", flat, self.constant(weights))
        driven = self.add("Add", driven, self.constant(both))
        state = self._initial(5, index)
        cell = self._initial(6, index) if self.op == "LSTM" else ""
        step = {"GRU": self._gru, "LSTM": self._lstm, "RNN": self._rnn}[self.op]
        constants = self._recurrent_constants(recurrent, bias[1])
        states = {}
        times = range(self.length)
        for time in reversed(times) if backwards else times:
            row = self.cut(driven, time * self.batch, (time + 1) * self.batch, 0)
            state, cell = step(row, state, cell, constants, self.activations[index])
            states[time] = state
        return [states[time] for time in times], state, cell

    def _initial(self, place: int, index: int) -> str:
        """A state in front of the first step; "" for zeros."""
        if len(self.node.input) <= place or not self.node.input[place]:
            return ""
        name = self.node.input[place]
        if name in self.known:
            states = self.weight(place, "states")
            return self.constant(states[index]) if states[index].any() else ""
        one = self.cut(name, index, index + 1, 0)
        return self.reshaped(one, (self.batch, self.hidden))

    def _recurrent_constants(self, weights: Array, bias: Array) -> list[str]:
        """The recurrent weights, all gates at once; of a GRU those of its last gate apart."""
        if self.op != "GRU":
            return [self.constant(weights)]
        gates = 2 * self.hidden
        parts = [weights[:, :gates], weights[:, gates:]]
        linear = bool(attribute(self.node, "linear_before_reset", 0))
        return [*map(self.constant, parts), self.constant(bias[gates:]) if linear else ""]

    def _driven(self, row: str, state: str, weights: str) -> str:
        """A step's products: of its input, and of the state, of which the first one is zero."""
        return self.add("Add", row, self.add("MatMul", state, weights)) if state else row

    def _rnn(self, row: str, state: str, cell: str, constants: Any, acts: Any) -> tuple[str, str]:
        return self.activated(acts[0], self._driven(row, state, constants[0])), ""

    def _lstm(self, row: str, state: str, cell: str, constants: Any, acts: Any) -> tuple[str, str]:
        size = self.hidden
        sums = self._driven(row, state, constants[0])
        gates = self.activated(acts[0], self.cut(sums, 0, 3 * size, 1))
        new = self.activated(acts[1], self.cut(sums, 3 * size, 4 * size, 1))
        cell_new = self.add("Mul", self.cut(gates, 0, size, 1), new)
        if cell:
            kept = self.add("Mul", self.cut(gates, 2 * size, 3 * size, 1), cell)
            cell_new = self.add("Add", kept, cell_new)
        shown = self.activated(acts[2], cell_new)
        return self.add("Mul", self.cut(gates, size, 2 * size, 1), shown), cell_new

    def _gru(self, row: str, state: str, cell: str, constants: Any, acts: Any) -> tuple[str, str]:
        size = self.hidden
        gates = self._driven(self.cut(row, 0, 2 * size, 1), state, constants[0])
        gates = self.activated(acts[0], gates)
        update, reset = self.cut(gates, 0, size, 1), self.cut(gates, size, 2 * size, 1)
        new, linear = self.cut(row, 2 * size, 3 * size, 1), constants[2]
        if linear:
            bias = linear
            if state:
                bias = self.add("Add", self.add("MatMul", state, constants[1]), linear)
            new = self.add("Add", new, self.add("Mul", reset, bias))
        elif state:
            new = self._driven(new, self.add("Mul", reset, state), constants[1])
        new = self.activated(acts[1], new)
        rest = self.add("Sub", self.constant(np.ones(1, np.float32)), update)
        made = self.add("Mul", rest, new)
        if state:
            made = self.add("Add", made, self.add("Mul", update, state))
        return made, ""
