"""Secrets: refused in addresses, taken out of what is kept, kept out of reach."""
