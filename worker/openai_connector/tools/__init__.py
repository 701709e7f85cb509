"""What the commands are made of; at run time nothing else imports it."""
