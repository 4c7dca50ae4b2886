"""Images of the open corpus by their URLs: guarded, polite, resumable; the command `tailfirst fetch`."""
