"""The commands: one file a command, each thin: parse, call, print."""
