"""What may not change while modules are moved: compiled artefacts and reference outputs."""
