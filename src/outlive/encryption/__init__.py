"""What rests is encrypted under the keys of a project: AES-256-GCM. Knows nothing of Temporal."""
