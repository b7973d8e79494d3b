"""Families: signatures that read alike, for people; nothing is promoted by them."""
