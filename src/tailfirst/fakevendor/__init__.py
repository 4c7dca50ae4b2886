"""A made-up labeling vendor as an HTTP service, Scale-like (specs/vendor.md section 11)."""
