"""Which weights and rates are best? One file a question; Optuna searches."""
