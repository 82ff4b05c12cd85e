"""Figures of studies: the search (history, importances, …) and the Pareto front."""
