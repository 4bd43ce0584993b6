"""How people prove to a provider of their choice who they are, and to us that they did."""
