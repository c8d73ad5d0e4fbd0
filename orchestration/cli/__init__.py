"""The `loyalty` command: what people type, and what they see."""
