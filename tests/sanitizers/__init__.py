"""All C that ships, under sanitizers, strict compilers and a checker."""
