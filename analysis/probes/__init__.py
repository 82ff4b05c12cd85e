"""What a latent says about its sentence, measured by linear probes and retrieval."""
