"""Every output is a tensor that a layer writes for it."""

from __future__ import annotations

from edgemnv2.ops.clamp.layer import Clamp
from edgemnv2.passes.separate_outputs import separate_outputs
from tests.passes.flows import graph_of

FLOAT = ("float32", None)


def test_an_input_that_is_an_output_is_copied() -> None:
    graph = separate_outputs(graph_of([], {"x": FLOAT}, ("x",)))
    (copy,) = graph.layers
    assert copy.op == "copy" and copy.inputs == ("x",) and graph.outputs == (copy.output,)
    assert graph.tensors[copy.output].shape == graph.tensors["x"].shape


def test_of_one_tensor_twice_the_second_is_a_copy() -> None:
    layer = Clamp("y", ("x",), "y", (0.0, 6.0))
    graph = separate_outputs(graph_of([layer], {"x": FLOAT, "y": FLOAT}, ("y", "y", "y")))
    assert len(set(graph.outputs)) == 3 and graph.outputs[0] == "y"
    assert [x.inputs for x in graph.layers[1:]] == [("y",), ("y",)]


def test_outputs_of_their_own_are_left() -> None:
    layer = Clamp("y", ("x",), "y", (0.0, 6.0))
    graph = graph_of([layer], {"x": FLOAT, "y": FLOAT}, ("y",))
    assert separate_outputs(graph) is graph
