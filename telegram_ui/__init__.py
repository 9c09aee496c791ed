"""The owner's hand on the bot from a phone: a face like the command line, with the same rooms behind it."""
