"""Many runs into one record: what is run, its folder, summaries and figures."""
