"""The published tables: fetched, checked, and read from pickles without running anything in them."""
