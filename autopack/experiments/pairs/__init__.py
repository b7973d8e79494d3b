"""The table of pairs: its columns, read from CSV cell by cell, and the unit that is compared."""
