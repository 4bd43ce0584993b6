"""Linear layers whose weights have eight bits or more: BF16, and FP8 with inputs rounded or not."""
