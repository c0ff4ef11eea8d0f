"""What a flag alone says wrong is refused before the model is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgemnv2.errors import UsageError
from edgemnv2.pipeline import CompileOptions, compile_model


@pytest.mark.parametrize(
    ("target", "given", "message"),
    [
        ("x86-64-v3", {"threads": 3, "io": "arena"}, "threads=3: with io=arena"),
        ("x86-64-v3", {"threads": 0}, "threads=0: expected 1 to"),
        ("mps2-an386", {"threads": 2}, "threads=2: mps2-an386 has one core"),
        ("x86-64-v3", {"io": "stack"}, "io=stack: expected one of arena, input, caller"),
        ("x86-64-v3", {"chains": "none"}, "chains=none: expected one of memory"),
        ("x86-64-v3", {"thread_chains": "none"}, "thread_chains=none: expected one of memory"),
        ("mps2-an386", {"dtype": "float16"}, "dtype=float16: mps2-an386"),
        ("x86-64-v3", {"dtype": "float64"}, "dtype=float64: expected float32 or float16"),
        ("x86-64-v3", {"flash_budget": 9}, "flash_budget=: x86-64-v3 is"),
        ("mps2-an386", {"code_size_budget": 0}, "code_size_budget=0: expected at least 1"),
        ("x86-64-v3", {"name": "a b"}, "name=a b: expected a C identifier"),
    ],
)
def test_no_model_is_read_for_a_flag_that_cannot_be(
    target: str, given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """There is none: the answer of whoever looks for it would be another."""
    with pytest.raises(UsageError, match=f"^{message}"):
        compile_model(tmp_path / "none.onnx", target, tmp_path / "net", CompileOptions(**given))
    assert not list(tmp_path.iterdir())
