"""C and C++, and what make builds."""
