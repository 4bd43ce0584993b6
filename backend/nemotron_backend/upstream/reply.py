"""What does another server answer to short questions?"""

import msgspec


class ListedModel(msgspec.Struct):
    """A model that it has."""

    id: str


class Models(msgspec.Struct):
    """`GET /v1/models`."""

    data: list[ListedModel]


class Tokens(msgspec.Struct):
    """`POST /tokenize`."""

    tokens: list[int]


class Words(msgspec.Struct):
    """`POST /detokenize`."""

    prompt: str
