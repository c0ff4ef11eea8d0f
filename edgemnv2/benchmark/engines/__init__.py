"""Other engines, timed beside ours: one protocol, one file per engine."""
