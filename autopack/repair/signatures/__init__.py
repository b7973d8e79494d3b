"""What a failure text is recognised by: its telling line, without what changes from run to run."""
