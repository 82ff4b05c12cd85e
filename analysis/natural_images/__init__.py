"""Statistics of photographs, of known fields and of artefacts: the evidence behind the targets."""
