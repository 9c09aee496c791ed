"""The commands, a module per idea; `table` lists them."""
