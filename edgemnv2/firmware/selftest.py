"""The self-test of a bundle: one sample, and the outputs that the reference model has for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.compare import tolerance
from edgemnv2.codegen.ends import C_TYPES
from edgemnv2.codegen.interface import field_names
from edgemnv2.errors import ArtifactError
from edgemnv2.firmware.near_ties import near_ties, nudged_runs
from edgemnv2.firmware.selftest_answers import ExpectedAnswers, answers_data, expected_answers
from edgemnv2.manifest import ArtifactTensor
from edgemnv2.ops import execute
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.samples.inputs import SampleChoice, choose_inputs

__all__ = ["SelfTest", "data_source", "make_selftest"]

Array = NDArray[Any]
SEED = 9
TRIES = 4
"""Samples that are looked at for one without near ties."""
_PER_LINE = 16


_TYPES = {
    "float32": "FLOAT32",
    "int8": "INT8",
    "uint8": "UINT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
}


@dataclass(frozen=True, eq=False)
class SelfTest:
    """A sample: `inputs` and `expected` outputs `[1, H, W, C]` by field of the C structures.

    In the stored types and the structures' order; `tolerances` are 0 for integers. `near_ties` says
    how many elements of an output may be any, because the last bits of floats decide about them.
    """

    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    tolerances: Mapping[str, float]
    near_ties: Mapping[str, int]
    origin: str
    """Where the inputs come from, for the reader of the source."""
    answers: ExpectedAnswers | None = None
    """What the decoder shall say; None where there is none."""

    @property
    def compares_answers(self) -> bool:
        """Whether the decoder's answers are the same whatever the last bits are."""
        return self.answers is None or not self.answers.tied

    @property
    def has_ties(self) -> bool:
        """Whether the last bits of floats decide about any of it."""
        return any(self.near_ties.values()) or not self.compares_answers

    @property
    def size_bytes(self) -> int:
        """What all take in flash."""
        return sum(x.nbytes for x in (*self.inputs.values(), *self.expected.values()))


def make_selftest(artifact: Artifact) -> SelfTest:
    """Inputs and their reference outputs, from the graph in the artefact.

    The sample is the first that `verify` takes by itself: a held-out image for the digits, seeded
    noise for any other network; of `TRIES` of them the first without near ties.
    """
    graph = load_graph(artifact.path / REFERENCE_FOLDER)
    if graph.sha256 != artifact.manifest.model.sha256:
        raise ArtifactError(
            f"{artifact.path / REFERENCE_FOLDER}: is of another model than the code "
            "(compile the model again)"
        )
    tried: list[SelfTest] = []
    for seed in range(SEED, SEED + TRIES):
        test = _of_sample(artifact, graph, SampleChoice(seed=seed, limit=1))
        if not test.has_ties:
            return test
        tried.append(test)
    return min(tried, key=lambda test: (not test.compares_answers, sum(test.near_ties.values())))


def _of_sample(artifact: Artifact, graph: Graph, choice: SampleChoice) -> SelfTest:
    manifest = artifact.manifest
    samples = choose_inputs(graph, choice, manifest.preprocess, fit=manifest.task.fit)
    sample = samples.batch(0, 1)
    found = execute.run(graph, sample, keep=False)
    allowed = {name: _allowed(found[name], manifest.relative_tolerance) for name in graph.outputs}
    runs = nudged_runs(graph, sample, manifest.relative_tolerance)
    ties = near_ties(graph, found, allowed, runs)

    def by_output(values: Mapping[str, Any]) -> dict[str, Any]:
        return by_field([values[name] for name in graph.outputs], artifact.outputs, "output")

    def named(values: Mapping[str, Array]) -> dict[str, Array]:
        ends = zip(graph.outputs, graph.output_specs, strict=True)
        return {spec.name: values[name] for name, spec in ends}

    return SelfTest(
        by_field([sample[x.name] for x in artifact.inputs], artifact.inputs, "input"),
        by_output(found),
        by_output(allowed),
        by_output(ties),
        samples.names[0],
        expected_answers(
            artifact, named(found), max(allowed.values()), [named(made) for made in runs]
        ),
    )


def _allowed(expected: Array, relative: float | None) -> float:
    """As `verify` has it."""
    if relative is None or np.issubdtype(expected.dtype, np.integer):
        return tolerance(expected)
    return relative * float(np.abs(expected).max(initial=0.0))


def by_field(arrays: Sequence[Any], tensors: Sequence[ArtifactTensor], kind: str) -> dict[str, Any]:
    """Arrays, or facts of them, in the order of `tensors`, by field of the "input" or "output"s."""
    fields = field_names([tensor.name for tensor in tensors], kind)
    return dict(zip(fields, arrays, strict=True))


def data_source(selftest: SelfTest, name: str) -> str:
    """The text of `<name>_selftest_data.c`."""
    lines = [
        f"/* Input {selftest.origin} and the reference model's output for it. */",
        f'#include "{name}_selftest.h"',
        "",
        *(["#include <stddef.h>", ""] if selftest.answers is not None else []),
        "#if defined(__GNUC__)",
        "#define ALIGNED __attribute__((aligned(64)))",
        "#else",
        "#define ALIGNED",
        "#endif",
    ]
    for kind, arrays in (("input", selftest.inputs), ("expected", selftest.expected)):
        for field, array in arrays.items():
            c_type = C_TYPES[array.dtype.name]
            lines += [
                f"static const {c_type} {kind}_{field}[] ALIGNED = {{",
                _values(array),
                "};",
            ]
    pointers = ", ".join(f"input_{field}" for field in selftest.inputs)
    lines += [
        f"const void *const {name}_selftest_inputs[] = {{{pointers}}};",
        f"const struct {name}_selftest_output {name}_selftest_outputs[] = {{",
    ]
    for field, array in selftest.expected.items():
        kind = f"{name.upper()}_SELFTEST_{_TYPES[array.dtype.name]}"
        within, ties = f"{selftest.tolerances[field]!r}f", selftest.near_ties[field]
        lines.append(
            f'    {{"{field}", expected_{field}, {array.size}, {within}, {ties}, {kind}}},'
        )
    lines.append("};")
    if selftest.answers is not None:
        lines += ["", *answers_data(selftest.answers, name)]
    return "\n".join([*lines, ""])


def _values(array: Array) -> str:
    flat = array.ravel()
    if np.issubdtype(flat.dtype, np.integer):
        words = [str(int(value)) for value in flat]
    else:
        words = [f"{float(value)!r}f" for value in flat]
    lines = [words[i : i + _PER_LINE] for i in range(0, len(words), _PER_LINE)]
    return ",\n".join(",".join(line) for line in lines)
