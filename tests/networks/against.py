"""A file under its own framework, and under our reference: the same samples through both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source

__all__ = ["litert", "onnxruntime_outputs", "random_samples", "reference"]

Array = NDArray[Any]


def random_samples(shape: Any, dtype: str, count: int, seed: int) -> list[Array]:
    """`count` inputs: random ones, and for integers both ends of the type."""
    random = np.random.default_rng(seed)
    if dtype == "float32":
        return [random.normal(size=shape).astype(np.float32) * 2 for _ in range(count)]
    limits = np.iinfo(dtype)
    drawn = [
        random.integers(limits.min, limits.max, shape, dtype, endpoint=True) for _ in range(count)
    ]
    return [*drawn, np.full(shape, limits.min, dtype), np.full(shape, limits.max, dtype)]


def litert(blob: bytes, samples: list[Array]) -> list[Array]:
    """All outputs of LiteRT's reference kernels, each `[samples, ...]`."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=blob, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    results: list[list[Array]] = []
    for sample in samples:
        interpreter.reset_all_variables()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
        interpreter.invoke()
        details = interpreter.get_output_details()
        results.append([interpreter.get_tensor(x["index"]).copy() for x in details])
    return [np.stack(values) for values in zip(*results, strict=True)]


def onnxruntime_outputs(blob: bytes, samples: list[Array]) -> list[Array]:
    """All outputs of onnxruntime without graph optimisation, each `[samples, ...]`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    results = [session.run(None, {name: sample}) for sample in samples]
    return [np.stack([np.asarray(x) for x in values]) for values in zip(*results, strict=True)]


def reference(blob: bytes, suffix: str, samples: list[Array], folder: Path) -> tuple[Graph, Any]:
    """The lowered network, and our first output `[samples, ...]` in the source's own layout."""
    path = folder / f"net{suffix}"
    path.write_bytes(blob)
    graph = lower(load_model(path))
    batch = np.concatenate(samples)
    values = run(graph, to_nhwc(batch, graph.input_specs[0]))
    out = to_source(values[graph.outputs[0]], graph.output_specs[0])
    return graph, np.asarray(out).reshape(len(samples), *graph.output_specs[0].shape)
