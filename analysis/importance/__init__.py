"""Importance of a study's parameters for every target, where its trials suffice to tell."""
