"""Which models exist, in which sizes, precisions and decode modes?

The facts are data: one TOML file a family beside this module, read into the types of `entry`.
"""

from nemotron_backend.catalog.entry import Model, Reasoning, Size, ToolSyntax
from nemotron_backend.catalog.files import InvalidCatalog
from nemotron_backend.catalog.recognise import folder_dimensions, recognise
from nemotron_backend.catalog.resolve import Catalog, Knobs, ModelNotServed, UnavailableKnob, UnknownModel

__all__ = [
    "Catalog",
    "InvalidCatalog",
    "Knobs",
    "Model",
    "ModelNotServed",
    "Reasoning",
    "Size",
    "ToolSyntax",
    "UnavailableKnob",
    "UnknownModel",
    "folder_dimensions",
    "recognise",
]
