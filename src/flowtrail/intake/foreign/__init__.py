"""Protocols that other systems speak already, translated into our records: pure mappings, one protocol a group of files."""
