"""The app in Microsoft's own worker library for Python, which Azure runs it in; without the .NET host around it.

The library gives no class of the messages it exchanges with the host: whoever drives it brings them. `driver` is such a
host, in a process of its own, since the library needs Python 3.13; `peer` starts it and talks to it.
"""
