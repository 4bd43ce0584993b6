"""Linear layers with NVFP4 weights and 16-bit inputs (W4A16)."""
