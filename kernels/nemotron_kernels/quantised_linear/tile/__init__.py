"""How is a product of many rows and columns divided over a GPU's programs?

A program sums one tile of `rows` outputs by `tokens` inputs over a share of the columns. The weight's rows
come first in every tensor-core product, transposing it: [rows, columns] @ [columns, tokens]. Tokens are few
when a model decodes, rows never are, and the second axis of an instruction may be as short as 8.
"""
