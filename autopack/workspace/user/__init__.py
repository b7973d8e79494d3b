"""The user's repository: read with their settings in mind, written to by publishing alone."""
