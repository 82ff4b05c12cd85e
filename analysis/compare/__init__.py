"""Runs, trials, studies, arms or checkpoints side by side."""
