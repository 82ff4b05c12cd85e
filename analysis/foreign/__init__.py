"""Studies and experiments that other programs made: read, never written to."""
