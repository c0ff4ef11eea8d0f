"""The MobileNetV2 paper, recomputed: its tables, its cost formulas, its first figure."""
