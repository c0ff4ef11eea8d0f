"""What ships inside an artefact, and the programs that run one: C sources and `run.py`."""
