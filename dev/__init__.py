"""Tools of the development environment: set-up, local host, tests. Nothing here is deployed."""
