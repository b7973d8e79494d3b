"""`autopack research`: questions answered by quotations, and their citations checked again."""
