"""What Gaussian beliefs are computed with, whatever they are about."""
