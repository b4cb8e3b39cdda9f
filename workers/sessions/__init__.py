"""Which conversation it is: admission, session keys, transcripts."""
