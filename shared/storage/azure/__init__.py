"""Azure Storage: the only place that knows the storage SDKs, which it imports on first use."""
