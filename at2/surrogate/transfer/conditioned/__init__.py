"""Hypotheses about a target, conditioned on its readings one at a time."""
