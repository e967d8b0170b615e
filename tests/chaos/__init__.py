"""What breaks while the app works: small versions run with the tests, full ones as `python3 -m dev chaos`."""
