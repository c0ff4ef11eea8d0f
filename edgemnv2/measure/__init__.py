"""What an artefact does: right or wrong, how fast, how large; reports of it."""
