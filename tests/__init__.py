"""Tests of Aisle, on real servers wherever the tested code uses one."""
