"""How does another server, NVIDIA's own or a NIM, come to be an engine here?"""

from nemotron_backend.upstream.engine import UpstreamEngine
from nemotron_backend.upstream.options import (
    HOSTED,
    NIM,
    NVIDIAS_STATUS_URL,
    Offer,
    UpstreamModel,
    UpstreamOptions,
)

__all__ = [
    "HOSTED",
    "NIM",
    "NVIDIAS_STATUS_URL",
    "Offer",
    "UpstreamEngine",
    "UpstreamModel",
    "UpstreamOptions",
]
