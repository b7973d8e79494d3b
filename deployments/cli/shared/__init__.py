"""What commands have in common: options, output, progress, and the flows they execute."""
