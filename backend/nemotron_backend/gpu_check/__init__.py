"""Are the kernels right on this GPU, and how far are they from its limits?

`python -m nemotron_backend.gpu_check` measures the GPU's bandwidth and rate, then every op at the shapes of
real layers: its error against the definition, its time against its floor, and the same work done by torch and
by public kernels where they import. Where there is no GPU the table says so, row by row.
"""
