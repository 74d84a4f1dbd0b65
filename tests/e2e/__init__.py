"""Black-box tests of whole processes."""
