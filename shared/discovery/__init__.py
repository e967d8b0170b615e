"""How the workspace folders become functions: their files, what depends on what, who owns a name, and what is wrong.

`workspace` is where to begin to read: it decides when what is loaded.
"""

from shared.discovery.workspace import Workspace, ensure_loaded, get_workspace

__all__ = ["Workspace", "ensure_loaded", "get_workspace"]
