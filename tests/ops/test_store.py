"""A stored graph that was edited: every plain field of another type is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.errors import ArtifactError
from edgemnv2.frontend import load_model
from edgemnv2.ops.store import STRUCTURE, load_graph, save_graph
from edgemnv2.passes import lower


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Container and key of every number in `content`."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        if isinstance(value, dict | list):
            yield from places(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield content, key


@pytest.mark.parametrize("wrong", ["3", True, None, 0.5, [1]])
def test_a_number_of_another_type_is_told(wrong: Any, tmp_path: Path) -> None:
    save_graph(lower(load_model("mobilenetv2-0.35-32-int8")), tmp_path)
    path = tmp_path / STRUCTURE
    count = len(list(places(json.loads(path.read_text()))))
    assert count > 500
    for number in range(0, count, 23):
        content = json.loads(path.read_text())
        container, key = list(places(content))[number]
        if isinstance(wrong, float) and isinstance(container[key], float):
            continue
        right, container[key] = path.read_text(), wrong
        path.write_text(json.dumps(content))
        with pytest.raises(ArtifactError, match="cannot be read"):
            load_graph(tmp_path)
        path.write_text(right)
