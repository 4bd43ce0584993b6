"""Tensors: one public function an operation, each with a readable torch definition."""
