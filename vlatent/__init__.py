"""Search the loss weights and ablate the priors of an encoder that paints text as a picture."""
