"""Where figures, shipped logs and trained models come from. Nothing imports it."""
