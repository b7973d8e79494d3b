"""Why an attempt failed, told from what its programs said."""
