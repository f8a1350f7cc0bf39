"""Tables from Optuna studies, and studies from tables."""
