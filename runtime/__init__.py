"""Running the bot on one machine: home folder, embedded servers, services and their supervisor."""
