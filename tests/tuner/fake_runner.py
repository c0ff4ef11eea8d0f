"""A runner that runs on this machine, but whose figures are a function of the decisions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.runners.base import Array, RunResult
from edgemnv2.runners.local import LocalRunner

Price = Callable[[str, Mapping[str, Any]], float]


def default_price(layer: str, decisions: Mapping[str, Any]) -> float:
    """Cheaper with more pixels and the panels outermost."""
    cost = 1000.0 - 10 * int(decisions.get("mr", decisions.get("pixels", 0)))
    return cost + (5 if decisions.get("order") == "pixel" else 0)


class FakeRunner:
    """Outputs and traces are real; "instructions" are what `price` says for each kernel.

    The whole network costs their sum times `network(manifest)`.
    `after` runs that many figures long and then raises KeyboardInterrupt, as Ctrl-C does.
    """

    def __init__(
        self,
        price: Price = default_price,
        *,
        seconds: float = 0.0,
        after: int | None = None,
        network: Callable[[Mapping[str, Any]], float] = lambda manifest: 1.0,
    ) -> None:
        self.name = "fake"
        self.price, self.seconds, self.after, self.network = price, seconds, after, network
        self.runs = 0
        self.running = threading.Lock()
        self.seen: list[dict[str, dict[str, Any]]] = []

    def run(self, artifact: Artifact, inputs: Sequence[Array], **wanted: Any) -> RunResult:
        assert self.running.acquire(blocking=False), "one runner serves one caller at a time"
        try:
            return self._run(artifact, inputs, **wanted)
        finally:
            self.running.release()

    def _run(self, artifact: Artifact, inputs: Sequence[Array], **wanted: Any) -> RunResult:
        if self.after is not None and self.runs >= self.after:
            raise KeyboardInterrupt
        self.runs += 1
        time.sleep(self.seconds)
        result = LocalRunner().run(
            artifact, inputs, trace=bool(wanted.get("trace")), threads=int(wanted.get("threads", 1))
        )
        kernels = {k["name"]: dict(k["decisions"]) for k in artifact.manifest["kernels"]}
        self.seen.append(kernels)
        layers = [layer["name"] for layer in artifact.manifest["layers"]]
        figures = {
            layers.index(name): self.price(name, decisions)
            for name, decisions in kernels.items()
            if name in layers
        }
        whole = self.network(artifact.manifest) * sum(figures.values())
        values = (whole,) * int(wanted.get("repeat", 0))
        return replace(result, metric="instructions", layers=figures, values=values)
