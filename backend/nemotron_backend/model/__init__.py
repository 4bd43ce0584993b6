"""Networks: one file an architecture, named after its `model_type`."""
