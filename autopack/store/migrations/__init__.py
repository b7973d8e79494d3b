"""The schema's revisions, in order; each is written once and never changed."""
