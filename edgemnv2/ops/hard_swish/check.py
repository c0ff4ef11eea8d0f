"""What must hold of a layer of hard_swish."""

from edgemnv2.ops.checks import expect_same_shape as check

__all__ = ["check"]
