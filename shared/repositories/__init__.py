"""The records of the platform, one file per kind. Above storage, below everything that decides."""
