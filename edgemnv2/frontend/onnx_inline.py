"""ONNX -> ONNX: what a graph keeps in graphs of its own becomes nodes of it.

Local functions, which PyTorch's exporter and onnxscript write, operators that the standard itself
makes of others (`COMPOSED`), and the branch of an `If` whose
condition is known: `torch.onnx` writes one round each Squeeze of an axis that may not be 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemnv2.errors import ModelError

__all__ = ["COMPOSED", "inline_branches", "inline_composed", "inline_functions"]

COMPOSED = ("Attention", "CenterCropPad", "RMSNormalization")
"""Operators whose definition is a function of the standard's other operators, and no rule's."""
STANDARD = ("", "ai.onnx")


def inline_functions(proto: Any, file: str) -> Any:
    """The model without local functions; `proto` itself if it has none."""
    if not proto.functions:
        return proto
    from onnx import inliner

    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:  # of C++, whatever is wrong with the file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{file}: its local functions cannot be inlined ({reason}); export the model again"
        ) from error


def inline_composed(proto: Any, file: str) -> Any:
    """The model with the functions of `COMPOSED` in their place; `proto` itself if it has none."""
    import onnx
    from onnx import inliner

    composed = {
        node.op_type
        for node in proto.graph.node
        if node.op_type in COMPOSED and node.domain in STANDARD
    }
    if not composed or not hasattr(inliner, "inline_selected_functions"):
        # Without (onnx before 1.19) they are refused by name.
        return proto
    typed = onnx.ModelProto()
    typed.CopyFrom(proto)
    # Some functions ask for the types of constants, which nothing else tells them.
    typed.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(x.name, x.data_type, x.dims)
        for x in proto.graph.initializer
    )
    try:
        return inliner.inline_selected_functions(
            typed,
            [(domain, name) for name in sorted(composed) for domain in STANDARD],
            inline_schema_functions=True,
        )
    except Exception as error:  # of C++, whatever is wrong with the file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{file}: {', '.join(sorted(composed))} cannot be made of simpler operators "
            f"({reason}); export the model again"
        ) from error


def inline_branches(model: Any, known: Mapping[str, Any]) -> bool:
    """Put the branches that are taken in the place of every `If` whose condition is in `known`.

    `known` has tensors by name. Returns whether there was such a node.
    """
    import onnx

    nodes: list[Any] = []
    changed = False
    for number, node in enumerate(model.graph.node):
        if node.op_type != "If" or node.input[0] not in known:
            nodes.append(node)
            continue
        changed = True
        holds = bool(onnx.numpy_helper.to_array(known[node.input[0]]).reshape(-1)[0])
        wanted = "then_branch" if holds else "else_branch"
        branch = next(x.g for x in node.attribute if x.name == wanted)
        inner = {x.name for x in branch.initializer}
        inner |= {name for x in branch.node for name in x.output if name}
        # Branches of one file may call different tensors the same.
        names = {name: f"{name}.branch{number}" for name in sorted(inner)}
        for tensor in branch.initializer:
            copy = model.graph.initializer.add()
            copy.CopyFrom(tensor)
            copy.name = names[tensor.name]
        for step in branch.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(step)
            _rename(copy, names)
            nodes.append(copy)
        for name, output in zip(node.output, branch.output, strict=True):
            passed = names.get(output.name, output.name)
            nodes.append(onnx.helper.make_node("Identity", [passed], [name], name=node.name))
    if changed:
        kept = [onnx.NodeProto.FromString(x.SerializeToString()) for x in nodes]
        del model.graph.node[:]
        model.graph.node.extend(kept)
    return changed


def _rename(node: Any, names: Mapping[str, str]) -> None:
    """Other names for tensors of a node, and of the graphs inside it, which see them too."""
    node.input[:] = [names.get(x, x) for x in node.input]
    node.output[:] = [names.get(x, x) for x in node.output]
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                _rename(inner, names)
            for output in graph.output:
                output.name = names.get(output.name, output.name)
