"""Tests; a package so that helpers and commands in it can be imported by name."""
