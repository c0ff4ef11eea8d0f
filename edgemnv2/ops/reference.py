"""The network in plain NumPy, independent of TVM: what every compiled output is held against."""

from edgemnv2.ops.execute import outputs, run, run_layer

__all__ = ["outputs", "run", "run_layer"]
