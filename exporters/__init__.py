"""Where networks come from and go to: formats, each in a room of its own."""
