"""MobileNetV2 compiled, tuned and proven for the device in your hand, on Apache TVM.

    import edgemnv2

    network = edgemnv2.load("model.onnx")
    wanted = network.reference({"input": image})
    net = edgemnv2.compile(network, "rpi4", "net")
    found = edgemnv2.open_artifact("net").run({"input": image})
    assert edgemnv2.verify(net).passed

What each name does is in `edgemnv2.api`, which is imported when the first of them is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgemnv2.version import __version__

if TYPE_CHECKING:
    from edgemnv2.api import (
        Network,
        OpenArtifact,
        Place,
        Said,
        SampleChoice,
        Task,
        against,
        analyze,
        bench,
        bundle,
        caches,
        compile,
        cycles,
        load,
        open_artifact,
        quantize,
        said,
        tune,
        verify,
    )

__all__ = [
    "Network",
    "OpenArtifact",
    "Place",
    "Said",
    "SampleChoice",
    "Task",
    "__version__",
    "against",
    "analyze",
    "bench",
    "bundle",
    "caches",
    "compile",
    "cycles",
    "load",
    "open_artifact",
    "quantize",
    "said",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    """A name of the public API, at its first use."""
    if name not in __all__:
        raise AttributeError(f"module 'edgemnv2' has no attribute {name!r}")
    from edgemnv2 import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
