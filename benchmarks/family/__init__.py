"""The families of examples: their records, what training them shows, and the pages that tell it."""
