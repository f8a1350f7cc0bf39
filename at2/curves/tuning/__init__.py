"""Tuning of the networks; the number of training epochs is what a budget counts."""
