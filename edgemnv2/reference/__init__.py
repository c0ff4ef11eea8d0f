"""The network in plain NumPy, independent of TVM: what every compiled output is held against."""

from edgemnv2.reference.execute import run, run_layer

__all__ = ["run", "run_layer"]
