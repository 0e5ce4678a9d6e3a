"""A company telephone system in the browser: SIP, WebRTC, Django."""
