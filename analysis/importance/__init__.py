"""Which parameters of a study matter, for which target, and whether its trials can say so."""
