"""Reports: artefacts and what was measured on them, as one HTML page."""
