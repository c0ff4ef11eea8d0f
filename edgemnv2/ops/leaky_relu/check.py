"""What must hold of a layer of leaky_relu."""

from edgemnv2.ops.checks import expect_same_shape as check

__all__ = ["check"]
