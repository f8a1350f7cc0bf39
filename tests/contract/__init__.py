"""What every kernel, surrogate and tuner must do: classes of tests to inherit."""
