"""What an admission review costs, beside an echo over TLS."""
