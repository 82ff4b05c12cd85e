"""Linear probes and retrieval: which properties of a sentence can be predicted from its latent."""
