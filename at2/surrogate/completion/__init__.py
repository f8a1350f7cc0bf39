"""Ragged source curves made whole: what a source never ran or broke off, by its own curves and those of others."""
