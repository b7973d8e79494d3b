"""Python: pip, Poetry and uv projects, and the tools that judge them."""
