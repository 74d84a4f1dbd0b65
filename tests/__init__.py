"""Tests of Aisle, on real servers wherever one is part of what is tested."""
