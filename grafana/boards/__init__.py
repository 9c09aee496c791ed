"""The seven dashboards, a module each: `board(limits)`."""
