"""Labeling vendors: one module each, file name = plugin name, behind `tailfirst.port.LabelVendor`."""
