"""Every shape of a run that is shown: JSON, tables, sentences."""
