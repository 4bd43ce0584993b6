"""What do the kernels become for each GPU, and has a change made one of them worse?

`python -m nemotron_kernels.binaries` compiles every build of every kernel without a GPU, reads registers,
spills, shared memory and tensor-core instructions from the machine code, and compares with the table kept
beside the package; `--write` renews that table.
"""
