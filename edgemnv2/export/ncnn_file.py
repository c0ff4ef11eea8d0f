"""A float32 `Graph` as ncnn's text `.param` and its `.bin` of weights.

Formats as ncnn's documentation, "param and model file structure" and "operators", describes them.
What an operator looks like there is in its folder (`ops/<op>/export.py`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UsageError
from edgemnv2.export.quantities import activation_of
from edgemnv2.ops.export import no_form
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.table import operator_of, part

__all__ = ["ncnn_files"]

Array = NDArray[Any]
_MAGIC = 7767517
_FLOAT32_TAG = np.zeros(1, "<u4").tobytes()


def ncnn_files(graph: Graph) -> tuple[str, bytes]:
    """The `.param` text and the `.bin` bytes. Raises UsageError for an integer network."""
    if any(t.dtype != "float32" for t in graph.tensors.values()):
        raise UsageError(
            f"against=ncnn: {graph.source} is no float32 network (give model=FILE.param)"
        )
    return _Writer(graph).write()


class _Writer:
    """Lines and weights. A blob has one reader in ncnn, so others read the copies of a Split."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        # Tensors behind the pooling, which convolutions do not take.
        self.vectors: set[str] = set()
        self.lines: list[str] = []
        self.blobs = 0
        self.constants: list[bytes] = []
        readers = Counter(name for layer in graph.layers for name in layer.inputs)
        readers.update(graph.outputs)
        self.readers = readers
        self.taken: Counter[str] = Counter()

    def write(self) -> tuple[str, bytes]:
        (source,) = self.graph.inputs
        tensor = self.graph.tensors[source]
        sizes = f"0={tensor.width} 1={tensor.height} 2={tensor.channels}"
        self._line("Input", source, [], source, sizes)
        for layer in self.graph.layers:
            rules = part(operator_of(layer), "export")
            if not hasattr(rules, "ncnn"):
                raise no_form(self.graph, layer, "ncnn")
            rules.ncnn(layer, self)
        head = f"{_MAGIC}\n{len(self.lines)} {self.blobs}\n"
        return head + "\n".join(self.lines) + "\n", b"".join(self.constants)

    # -- what operators ask for --------------------------------------------------------------------

    def line(self, kind: str, layer: Layer, parameters: str) -> None:
        """A layer, which reads and makes what ours does."""
        inputs = [self._read(name) for name in layer.inputs]
        self._line(kind, layer.name, inputs, layer.output, parameters)

    def store(self, weight: Array, bias: Array) -> None:
        """Weights of the layer whose line comes next."""
        self.constants += [
            _FLOAT32_TAG,
            np.ascontiguousarray(weight, "<f4").tobytes(),
            np.ascontiguousarray(bias, "<f4").tobytes(),
        ]

    def activation(self, layer: Layer) -> str:
        """The layer's clamp as an activation."""
        return activation_of(self.graph.tensor_out(layer), layer.clamp_ends, layer.name)

    # -- pieces ------------------------------------------------------------------------------------

    def _line(self, kind: str, name: str, inputs: list[str], output: str, rest: str) -> None:
        names = " ".join([*inputs, output])
        self.lines.append(f"{kind} {name} {len(inputs)} 1 {names} {rest}".rstrip())
        self.blobs += 1
        count = self.readers[output]
        if count > 1:
            copies = [f"{output}_split{i}" for i in range(count)]
            self.lines.append(f"Split {output}_split 1 {count} {output} {' '.join(copies)}")
            self.blobs += count

    def _read(self, name: str) -> str:
        if self.readers[name] == 1:
            return name
        self.taken[name] += 1
        return f"{name}_split{self.taken[name] - 1}"
