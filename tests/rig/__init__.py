"""What tests stand on: a private PC/SC service, its reader, and transcripts."""
