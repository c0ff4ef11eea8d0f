"""A rectifier whose slope below zero is learned."""
