"""What has been observed: learning curves of many configurations on many tasks."""
