"""The picture of `analyze`: memory over the steps above the work per block, as .svg or .png."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.errors import ToolchainError, UsageError
from edgemnv2.export.whole_file import check_writable, write_whole
from edgemnv2.report.memory_plot import memory_svg
from edgemnv2.report.plots import macs_svg

__all__ = ["check_picture", "picture_svg", "write_picture"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def check_picture(path: Path) -> None:
    """Refuse, before any work, a name that is no picture's or that nothing here can draw.

    Raises UsageError (another suffix, no folder, not writable) and ToolchainError (.png without a
    browser).
    """
    if path.suffix not in (".svg", ".png"):
        raise UsageError(f"plot=: {path}: expected a name that ends in .svg or .png")
    if not path.parent.is_dir():
        raise UsageError(f"plot=: {path}: there is no folder {path.parent}")
    if path.suffix == ".png" and _browser() is None:
        raise ToolchainError(
            f"plot=: {path}: a .png is drawn by Chromium, which is not installed "
            "(apt install chromium, or ask for an .svg)"
        )
    check_writable(path, "plot")


def picture_svg(plan: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> str:
    """Both pictures in one `<svg>`, one below the other."""
    parts = [memory_svg(plan), macs_svg(layers)]
    sizes = [_size(part) for part in parts]
    width = max(w for w, _ in sizes)
    inner, top = [], 0.0
    for part, (w, h) in zip(parts, sizes, strict=True):
        inner.append(part.replace("<svg ", f'<svg y="{top:g}" width="{w:g}" height="{h:g}" ', 1))
        top += h
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {top:g}">'
    return "\n".join([head, *inner, "</svg>\n"])


def write_picture(path: Path, plan: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> None:
    """Draw to `path`; its suffix decides the format.

    Raises UsageError where the file cannot be written, ToolchainError where the browser fails.
    """
    svg = picture_svg(plan, layers)
    if path.suffix == ".svg":
        write_whole(path, svg.encode("utf-8"), "plot")
        return
    try:
        _draw_png(svg, path)
    except OSError as error:
        raise UsageError(
            f"plot=: {path}: {error.strerror}, expected a file that can be written"
        ) from error


def _size(svg: str) -> tuple[float, float]:
    found = _SIZE.search(svg)
    assert found, "our own pictures say their size"
    return float(found[1]), float(found[2])


def _browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _draw_png(svg: str, path: Path) -> None:
    width, height = _size(svg)
    browser = _browser()
    assert browser, "check_picture comes first"
    with tempfile.TemporaryDirectory() as folder:
        page, picture = Path(folder) / "page.html", Path(folder) / "picture.png"
        style = "<style>html,body{margin:0;background:#fff}svg{display:block}</style>"
        page.write_text(
            f"<!doctype html><meta charset=utf-8>{style}{svg}", encoding="utf-8", newline="\n"
        )
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-device-scale-factor=2",
            f"--user-data-dir={folder}/profile",
            f"--window-size={width:.0f},{height:.0f}",
            f"--screenshot={picture}",
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        if not picture.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise ToolchainError(f"plot=: {browser} failed: {lines[-1]} (ask for an .svg)")
        shutil.copyfile(picture, path)
