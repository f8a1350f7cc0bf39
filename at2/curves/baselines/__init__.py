"""What a predictor has to beat: the last reading, parametric curves, regressions, a latent Kronecker process."""
