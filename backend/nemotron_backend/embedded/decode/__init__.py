"""One file a decode mode: each says which forwards give a sequence its next tokens."""
