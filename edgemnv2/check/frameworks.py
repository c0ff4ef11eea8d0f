"""The framework that made a file, as the judge: every tensor that it computes, by name.

TFLite files run on LiteRT's reference kernels (where it has one for each of their operators),
ONNX files on onnxruntime without optimisation.
Neither is a dependency: `available` says whether one is installed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.onnx_weights import with_unsigned_weights
from edgemnv2.errors import InputError
from edgemnv2.frontend.tflite_tables import operator_number

__all__ = ["PACKAGES", "Judge", "available", "open_source"]

Array = NDArray[Any]
Run = Callable[[Mapping[str, Array]], dict[str, Array]]
MODULES = {".tflite": "ai_edge_litert", ".onnx": "onnxruntime"}
PACKAGES = {".tflite": "ai-edge-litert", ".onnx": "onnxruntime"}
"""The distribution that runs a kind of file, by the end of its name."""
KERNELS = {".tflite": "LiteRT {} reference kernels", ".onnx": "onnxruntime {} without optimisation"}
LACKING = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")
VERSION_FIELD = 8
"""Of an operator's code: where its table has the place of the version, the third field."""
BUILT_IN_KERNELS = "LiteRT {} built-in kernels"


def available(source: Path) -> bool:
    """Whether the framework of the file's format is installed."""
    module = MODULES.get(source.suffix)
    return module is not None and find_spec(module) is not None


class Judge:
    """What runs a file: inputs of batch 1 in the file's own names, types and layouts -> all
    tensors of that inference, by the file's names: inputs, inner tensors, outputs.

    Making and calling it raise InputError where the framework does not take file or inputs.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        version = metadata.version(PACKAGES[source.suffix])
        self.framework = KERNELS[source.suffix].format(version)
        """Framework, version and kernels, for reports."""
        self.rounds_otherwise = False
        """Whether its kernels round sums of integers otherwise than the format's reference."""
        self._run: Run
        if source.suffix == ".onnx":
            self._run = self._guarded(_onnx, source)
            return
        try:
            self._run = self._guarded(_litert_reference, source)
        except InputError as refused:
            try:
                self._run = self._guarded(_litert_built_in, source)
            except InputError:
                raise refused from None
            self.framework = BUILT_IN_KERNELS.format(version)
            self.rounds_otherwise = True

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All tensors of one inference."""
        found: dict[str, Array] = self._guarded(self._run, inputs)
        return found

    def _guarded(self, action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except Exception as error:  # each has error classes of its own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise InputError(
                f"{self.source.name}: {self.framework} refuses it: {reason}"
            ) from error


def open_source(source: Path) -> Judge:
    """What runs the file; InputError where the framework does not take it."""
    return Judge(source)


def _litert_reference(source: Path) -> Run:
    """On reference kernels; operators that those have in earlier versions only, in these.

    A version says which types and options a file may use. The table of reference kernels is behind
    that of the others for some (TILE and DEPTH_TO_SPACE of int8), the kernels are not.
    """
    from ai_edge_litert.interpreter import OpResolverType

    data = bytearray(source.read_bytes())
    while True:
        try:
            return _litert(bytes(data), OpResolverType.BUILTIN_REF)
        except ValueError as error:
            lacking = LACKING.search(str(error))
            if lacking is None or not _lower_version(data, lacking[1], int(lacking[2])):
                raise


def _litert_built_in(source: Path) -> Run:
    """On the kernels that applications have: ELU, for one, has no reference kernel."""
    from ai_edge_litert.interpreter import OpResolverType

    return _litert(source.read_bytes(), OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


def _lower_version(data: bytearray, operator: str, version: int) -> bool:
    """Give `operator` the version before `version` in a TFLite file; False where there is none."""
    import tflite

    if version < 2:
        return False
    number = getattr(tflite.BuiltinOperator, operator)
    model = tflite.Model.GetRootAs(data, 0)
    changed = False
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        if operator_number(code) == number:
            table = code._tab
            place = table.Pos + table.Offset(VERSION_FIELD)
            if code.Version() == version:
                struct.pack_into("<i", data, place, version - 1)
                changed = True
    return changed


def _litert(content: bytes, kernels: Any) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=kernels,
        experimental_preserve_all_tensors=True,
    )
    names = _names(interpreter.get_tensor_details())

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        for end in interpreter.get_input_details():
            x = inputs[names[end["index"]]]
            if tuple(end["shape"]) != x.shape:
                interpreter.resize_tensor_input(end["index"], x.shape)
        interpreter.allocate_tensors()
        # Every inference of ours begins with states of zeros.
        interpreter.reset_all_variables()
        for end in interpreter.get_input_details():
            interpreter.set_tensor(end["index"], inputs[names[end["index"]]])
        interpreter.invoke()
        found: dict[str, Array] = {}
        for tensor in interpreter.get_tensor_details():
            try:
                found[names[tensor["index"]]] = interpreter.get_tensor(tensor["index"]).copy()
            except (KeyError, ValueError):  # temporaries and constants that hold no data
                continue
        return found

    return run


def _names(details: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Each tensor's name by its number, as `read_tables` tells apart those of one name or none."""
    names: dict[int, str] = {}
    for tensor in details:
        index = tensor["index"]
        name = tensor["name"] or f"tensor{index}"
        names[index] = f"{name}#{index}" if name in names.values() else name
    return names


def _onnx(source: Path) -> Run:
    import onnx
    import onnxruntime

    model = onnx.load(str(source))
    with_unsigned_weights(model)
    outputs = {x.name for x in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in outputs:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [x.name for x in session.get_outputs()]
    narrow = {x.name for x in session.get_inputs() if x.type == "tensor(float16)"}

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {n: x.astype(np.float16) if n in narrow else x for n, x in inputs.items()}
        found = dict(zip(names, map(np.asarray, session.run(None, given)), strict=True))
        # Our artefacts take and give float32 where the file has float16.
        half = {n: x.astype(np.float32) for n, x in found.items() if x.dtype == np.float16}
        return {**inputs, **found, **half}

    return run
