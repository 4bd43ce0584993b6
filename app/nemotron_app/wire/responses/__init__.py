"""OpenAI's Responses: another shape of the same conversation, of which nothing is kept here."""
