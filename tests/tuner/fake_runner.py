"""A runner that runs on this machine, but whose figures are a function of the decisions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.manifest import Manifest
from edgemnv2.runners.base import RunResult, Sample
from edgemnv2.runners.local import LocalRunner

Price = Callable[[str, Mapping[str, Any]], float]


PATIENCE_SECONDS = 120.0
"""How long a board waits for the others, who may still compile; it never is, unless they fail."""


def default_price(layer: str, decisions: Mapping[str, Any]) -> float:
    """Cheaper with more pixels and the panels outermost."""
    cost = 1000.0 - 10 * int(decisions.get("mr", decisions.get("pixels", 0)))
    return cost + (5 if decisions.get("order") == "pixel" else 0)


class Meeting:
    """Where boards wait for each other, once: whether all of them are ever busy at one time.

    A clock could not tell, on a busy machine. The first run of a session is the default's, which
    is made alone and waits for nobody.
    """

    def __init__(self, boards: int) -> None:
        self._boards = boards
        self._inside = self._runs = 0
        self._changed = threading.Condition()
        self.met = boards == 1
        self._over = self.met

    def __enter__(self) -> None:
        with self._changed:
            self._runs += 1
            self._inside += 1
            if self._inside == self._boards:
                self.met = self._over = True
                self._changed.notify_all()
            if self._runs > 1 and not self._changed.wait_for(lambda: self._over, PATIENCE_SECONDS):
                # Nobody comes: once is enough to know.
                self._over = True

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1


class FakeRunner:
    """Outputs and traces are real; "instructions" are what `price` says for each kernel.

    The whole network costs their sum times `network(manifest)`.
    `after` runs that many figures long and then raises `ending`, as Ctrl-C does; with `endings`,
    that many times only.
    """

    lost: tuple[str, ...] = ()

    def __init__(
        self,
        price: Price = default_price,
        *,
        meeting: Meeting | None = None,
        after: int | None = None,
        ending: BaseException | None = None,
        endings: int = 1_000_000,
        network: Callable[[Manifest], float] = lambda manifest: 1.0,
    ) -> None:
        self.name = "fake"
        self.price, self.after, self.network = price, after, network
        self.ending, self.endings = ending or KeyboardInterrupt(), endings
        self.meeting = meeting or Meeting(1)
        self.runs = 0
        self.running = threading.Lock()
        self.seen: list[dict[str, dict[str, Any]]] = []

    def run(self, artifact: Artifact, inputs: Sequence[Sample], **wanted: Any) -> RunResult:
        assert self.running.acquire(blocking=False), "one runner serves one caller at a time"
        try:
            return self._run(artifact, inputs, **wanted)
        finally:
            self.running.release()

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], **wanted: Any) -> RunResult:
        if self.after is not None and self.runs >= self.after and self.endings > 0:
            self.endings -= 1
            raise self.ending
        self.runs += 1
        trace, threads = bool(wanted.get("trace")), int(wanted.get("threads", 1))
        with self.meeting:
            result = LocalRunner().run(artifact, inputs, trace=trace, threads=threads)
        kernels = {k.name: dict(k.decisions) for k in artifact.manifest.kernels}
        self.seen.append(kernels)
        layers = [layer.name for layer in artifact.manifest.layers]
        figures = {
            layers.index(name): self.price(name, decisions)
            for name, decisions in kernels.items()
            if name in layers
        }
        whole = self.network(artifact.manifest) * sum(figures.values())
        values = (whole,) * int(wanted.get("repeat", 0))
        return replace(result, metric="instructions", layers=figures, values=values)
