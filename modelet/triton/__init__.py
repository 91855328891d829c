"""What Triton needs of a version: a standard model repository.

config      `config.pbtxt`, generated from the manifest
repository  the folder that a server is started over
"""
