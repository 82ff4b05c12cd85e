"""The version, which packaging, `vlatent --version`, runs and checkpoints read."""

VERSION = "0.1.0"
