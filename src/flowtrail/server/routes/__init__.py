"""The routes: one table of reads, and a file each for what is not a read."""
