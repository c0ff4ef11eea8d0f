"""Integer to float32."""
