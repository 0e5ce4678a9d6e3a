"""What the edge's writer writes, the reader reads."""

import time

from ucplatform.calls.trace import read_trace
from ucplatform.edge.trace import TraceWriter
from ucplatform.sip.flow import Flow


def test_written_then_read(tmp_path):
    now = time.time()
    flow = Flow("udp/192.0.2.7:5060/192.0.2.1:5060", "udp", ("192.0.2.1", 5060), ("192.0.2.7", 5060))
    writer = TraceWriter(tmp_path, "1", 3600.0)
    writer.message("c-e1-1", "leg1", now, "in", flow, b"INVITE sip:202@test.example SIP/2.0\r\n\r\n")
    writer.event("c-e1-1", "leg1", now + 1, "media-started", {"codec": "PCMA"})
    writer.message("c-e1-2", None, now, "in", flow, b"OPTIONS sip:test.example SIP/2.0\r\n\r\n")
    writer.close()
    message, event = read_trace(tmp_path, "c-e1-1", since=now, until=now + 2)
    assert (message["kind"], message["dir"], message["leg"]) == ("sip", "in", "leg1")
    assert message["text"].startswith("INVITE sip:202@test.example")
    assert (event["kind"], event["event"], event["detail"]) == ("event", "media-started", {"codec": "PCMA"})
