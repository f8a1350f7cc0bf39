"""How tables are kept: frames in one shape, series with gaps, HDF5 files that are written whole or not at all."""
