"""How the workspace folders become functions: their files, what depends on what, who owns a name, and what is wrong."""
