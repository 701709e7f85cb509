"""A diagram as a picture: read, laid out where it says nothing, and drawn shape by shape."""
