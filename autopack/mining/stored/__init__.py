"""Mining of the stored errors: signing what was not signed so far, and what that shows."""
