"""Linear layers with NVFP4 weights and NVFP4 inputs (W4A4), on tensor cores that apply block scales."""
