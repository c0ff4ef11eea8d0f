"""What a network is made of: one folder an operator, and the table that lists them."""
