"""Predictors of learning curves compared: errors, early stopping, tuning, speed."""
