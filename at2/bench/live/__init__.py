"""Measurements on live training: methods beside each other, architectures beside each other."""
