"""Writes small TFLite files for tests, with the package's own writer."""

from __future__ import annotations

from edgemnv2.export.tflite_writer import TfliteWriter as TinyTflite

__all__ = ["TinyTflite"]
