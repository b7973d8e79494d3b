"""Commands about what was used."""
