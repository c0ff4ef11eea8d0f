"""The self-test of a bundle: one input, and the output that the reference model has for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.compare import tolerance
from edgemnv2.errors import ArtifactError
from edgemnv2.ops import execute
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.samples.inputs import SampleChoice, as_samples, choose_inputs

__all__ = ["SelfTest", "data_source", "make_selftest"]

SEED = 9
_PER_LINE = 16


@dataclass(frozen=True, eq=False)
class SelfTest:
    """`input` and `expected` `[1, H, W, C]`, stored dtype; `tolerance` is 0 for integers."""

    input: NDArray[Any]
    expected: NDArray[Any]
    tolerance: float
    origin: str
    """Where the input comes from, for the reader of the source."""

    @property
    def size_bytes(self) -> int:
        """What both take in flash."""
        return int(self.input.nbytes + self.expected.nbytes)


def make_selftest(artifact: Artifact) -> SelfTest:
    """An input and its reference output, from the graph in the artefact.

    The input is the first that `verify` takes by itself: a held-out image for the digits, seeded
    noise for any other network.
    """
    graph = load_graph(artifact.path / REFERENCE_FOLDER)
    if graph.sha256 != artifact.manifest.model.sha256:
        raise ArtifactError(
            f"{artifact.path / REFERENCE_FOLDER}: is of another model than the code "
            "(compile the model again)"
        )
    choice = SampleChoice(seed=SEED, limit=1)
    samples = as_samples(choose_inputs(graph, choice, artifact.manifest.preprocess))
    sample = samples.x[:1]
    expected = execute.run(graph, sample, keep=False)[graph.outputs[0]]
    return SelfTest(sample, expected, tolerance(expected), samples.names[0])


def data_source(selftest: SelfTest, name: str) -> str:
    """The text of `<name>_selftest_data.c`."""
    upper = name.upper()
    return "\n".join(
        [
            f"/* Input {selftest.origin} and the reference model's output for it. */",
            f'#include "{name}_selftest.h"',
            "",
            f"const float {name}_selftest_tolerance = {selftest.tolerance!r}f;",
            "#if defined(__GNUC__)",
            "__attribute__((aligned(64)))",
            "#endif",
            f"const {upper}_INPUT_TYPE {name}_selftest_input[] = {{",
            _values(selftest.input),
            "};",
            f"const {upper}_OUTPUT_TYPE {name}_selftest_expected[] = {{",
            _values(selftest.expected),
            "};",
            "",
        ]
    )


def _values(array: NDArray[Any]) -> str:
    flat = array.ravel()
    if np.issubdtype(flat.dtype, np.integer):
        words = [str(int(value)) for value in flat]
    else:
        words = [f"{float(value)!r}f" for value in flat]
    lines = [words[i : i + _PER_LINE] for i in range(0, len(words), _PER_LINE)]
    return ",\n".join(",".join(line) for line in lines)
