"""Files of a home and files that an agent left: opened, kept and compared without being misled."""
