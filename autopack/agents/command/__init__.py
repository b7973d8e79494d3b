"""Any program, called by a template."""
