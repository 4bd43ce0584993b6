"""A draft adapter for a Llama, learned from what the model itself says."""
