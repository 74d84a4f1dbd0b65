"""`make containers`: the image and compose.yaml, run by podman, with stand-ins for the images of a registry."""
