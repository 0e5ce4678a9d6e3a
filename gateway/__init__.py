"""The media server: terminations (WebRTC, RTP), bridges between them, and applications, driven over NG."""
