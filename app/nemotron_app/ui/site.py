"""Where does the page find the API, and how does it say who it is?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the page must be told; everything else it asks the API for.

    `api_url` is the server's own address on the loopback, without `/v1`. `api_key` is sent as the
    bearer token; a server without accounts takes any.
    """

    api_url: str
    api_key: str = "not-needed"
    version: str = ""
