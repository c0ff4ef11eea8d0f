"""Pictures in, answers out: what `edgemnv2 run` and an artefact's own `run.py` share.

Each file stands alone, needs NumPy (and Pillow where it draws) and knows nothing of the package: an
artefact for Linux has them in its folder `vision`.
"""
