"""How events and profiles come in, whatever carries them: Segment's spec, files, Kafka."""
