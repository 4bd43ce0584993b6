"""Recipe of the elastic demonstration checkpoint."""
