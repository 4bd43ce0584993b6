"""Where accounts meet HTTP; each file makes one router."""
