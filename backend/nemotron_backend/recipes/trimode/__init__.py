"""A small Nemotron-Labs-Diffusion: one set of weights, three decode modes."""
