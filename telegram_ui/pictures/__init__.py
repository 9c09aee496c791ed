"""Pictures for a phone: what they show (`subjects`), how they look, and the process that draws them."""
