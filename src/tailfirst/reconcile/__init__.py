"""The monthly comparison of what the vendor invoices with what the ledger says (specs/vendor.md section 10.5)."""
