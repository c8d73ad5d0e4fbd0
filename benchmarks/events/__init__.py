"""How quickly history is told: events to Klaviyo and Rule in front of the sandbox."""
