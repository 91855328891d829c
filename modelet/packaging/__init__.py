"""From a built model to a container image: the shared runtime layer, build contexts, images."""
