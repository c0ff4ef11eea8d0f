"""The text files of a bundle, from `templates/`.

C templates are plain C for an artefact called `net`: its name takes that one's place. All others
have `@KEY@` where a value goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

__all__ = ["c_file", "fill", "read_template", "text_file"]


def read_template(path: str) -> str:
    """The template at `path`, relative to `templates/`."""
    return (resources.files("edgemnv2.firmware") / "templates" / path).read_text("utf-8")


def c_file(path: str, name: str) -> str:
    """A C template as it is for the artefact `name`: `net_run` -> `<name>_run`."""
    text = re.sub(r"(?<![A-Za-z])net(?=_|\.h)", name, read_template(path))
    return re.sub(r"(?<![A-Za-z])NET(?=_)", name.upper(), text)


def text_file(path: str, values: Mapping[str, str]) -> str:
    """A template with each `@KEY@` replaced; a key without a value is a bug (KeyError)."""
    return fill(read_template(path), values)


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with each `@KEY@` replaced; a key without a value is a bug (KeyError)."""
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], text)
