"""A study or an ablation as one page."""
