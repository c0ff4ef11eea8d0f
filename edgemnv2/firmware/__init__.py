"""Artefact + board -> firmware bundle that builds at once and proves itself on the board."""

from edgemnv2.firmware.bundle import ALL, FORMATS, Bundle, bundle, formats_for

__all__ = ["ALL", "FORMATS", "Bundle", "bundle", "formats_for"]
