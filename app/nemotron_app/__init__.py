"""People, HTTP and widgets: the playground's page and its OpenAI-compatible API."""

__version__ = "0.1.0"
