"""Exact Gaussian processes over grids: whole ones, ragged ones, and the plain surrogate of a single one."""
