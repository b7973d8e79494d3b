"""What mitigations save, measured: phases in which one was held out by chance, against the rest."""
